import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock.ts";
import { fits, piecesOf } from "../../content/content.ts";
import type { BodyFields, ContentStore, Put } from "../../content/content-store.ts";
import type { Leftovers } from "../../content/leftovers.ts";
import { CHUNK_BYTES, MAX_INLINE_BYTES, UNCOMMITTED_MS } from "../../limits.ts";
import { sha256Hex } from "../../sha256.ts";
import { type JobKey, UnreadableItem } from "../../store.ts";
import { chunkPlace, ITEMS, removingPlace, writingPlace } from "./items.ts";
import { nameOf, type StoredItems } from "./stored-items.ts";
import { isSuperseded, unexpected } from "./transaction.ts";

/** Chunks that are written, read or deleted at the same time. */
const AT_ONCE = 4;
/** Chunks lapse after the item that names them, which is written later. */
const LATER_SECONDS = 3_600;
/** Bodies remembered that a batch has still to commit. */
const MOST_REMEMBERED = 64;

/** A body whose chunks are there, or on their way. */
interface Begun {
  readonly content_id: string;
  readonly sinceMs: number;
  readonly written: Set<number>;
}

/**
 * Bodies lie in their items as far as one batch takes them. Larger ones go before the batch, in chunks under a random
 * id in their job's partition. An item `writing` precedes them: what is not committed within an hour the sweeper removes.
 */
export class CosmosContent implements ContentStore {
  readonly #jobs: StoredItems;
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  /** So that a batch that is tried again stores no second copy. */
  readonly #begun = new Map<string, Begun>();

  constructor(jobs: StoredItems, clock: Pick<Clock, "now" | "monotonic">) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  async put(owner: JobKey, body: string, ttlSeconds: number): Promise<Put> {
    if (fits(body, MAX_INLINE_BYTES)) return { fields: { body } };
    const sha256 = sha256Hex(body);
    const pieces = piecesOf(body, CHUNK_BYTES);
    const begun = await this.#begin(owner, sha256);
    const { content_id, written } = begun;
    const ttl = ttlSeconds < 0 ? ttlSeconds : ttlSeconds + LATER_SECONDS;
    await someAtOnce([...pieces.keys()], async (n) => {
      if (written.has(n)) return;
      const { tenant_id, job_id } = owner;
      const fields = { tenant_id, job_id, text: pieces[n] ?? "", ttl };
      await this.#jobs.put(ITEMS.chunk, chunkPlace(owner, content_id, n), fields);
      written.add(n);
    });
    const manifest = { content_id, count: pieces.length, bytes: Buffer.byteLength(body), sha256 };
    return { fields: { chunks: manifest }, uncommitted: content_id };
  }

  async #begin(owner: JobKey, sha256: string): Promise<Begun> {
    const { tenant_id, job_id } = owner;
    const name = `${tenant_id}/${job_id}/${sha256}`;
    const nowMs = this.#clock.monotonic();
    const known = this.#begun.get(name);
    if (known !== undefined && nowMs - known.sinceMs < UNCOMMITTED_MS / 2) return known;
    const content_id = randomUUID();
    const fields = { tenant_id, job_id, content_id, wake_at_ms: this.#clock.now() + UNCOMMITTED_MS };
    const place = writingPlace(owner, content_id);
    const created = await this.#jobs.write(ITEMS.writing, place, fields, undefined);
    if (created.kind !== "written") throw new Error("a random id was there already");
    const begun = { content_id, sinceMs: nowMs, written: new Set<number>() };
    for (const oldest of this.#begun.keys()) {
      if (this.#begun.size < MOST_REMEMBERED) break;
      this.#begun.delete(oldest);
    }
    this.#begun.set(name, begun);
    return begun;
  }

  forget(contentId: string): void {
    for (const [name, begun] of this.#begun) if (begun.content_id === contentId) this.#begun.delete(name);
  }

  read(owner: JobKey, fields: BodyFields): Promise<string> {
    return readBody(this.#jobs, owner, fields);
  }

  remove(owner: JobKey, contentId: string): Promise<void> {
    return removeContent(this.#jobs, owner, contentId);
  }
}

/** Due by the indexed `wake_at_ms`. */
export class CosmosLooseContent implements Leftovers {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  /** Their item changes its name first: from then on no batch can commit what is being removed. */
  async removeDue(nowMs: number, limit: number): Promise<number> {
    const query = {
      ...{ top: limit, where: "c.wake_at_ms <= @now", parameters: { "@now": nowMs } as const },
    };
    const due = await this.#jobs.find(ITEMS.writing, query, ITEMS.writing.document, { pageItems: limit });
    for (const { id, tenant_id, job_id, content_id } of due) {
      const owner = { tenant_id, job_id };
      const isCommitted =
        id === writingPlace(owner, content_id).id && !(await this.#take(owner, content_id, nowMs));
      if (!isCommitted) await removeContent(this.#jobs, owner, content_id);
    }
    return due.length;
  }

  /** False: a batch has committed them meanwhile. */
  async #take(owner: JobKey, content_id: string, nowMs: number): Promise<boolean> {
    const fields = { ...owner, content_id, wake_at_ms: nowMs };
    const { id, partition } = writingPlace(owner, content_id);
    const result = await this.#jobs.batch("take uncommitted", partition, [
      { operationType: "Delete", id },
      this.#jobs.writing(ITEMS.writing, removingPlace(owner, content_id), fields),
    ]);
    if (result.kind === "done") return true;
    if (isSuperseded(result.status)) return false;
    throw unexpected("take uncommitted", result.status);
  }
}

async function removeContent(jobs: StoredItems, owner: JobKey, contentId: string): Promise<void> {
  await removeChunks(jobs, owner, contentId);
  await jobs.remove(ITEMS.writing, removingPlace(owner, contentId));
}

/** The whole body, by what its item says. @throws StoreUnavailable, UnreadableItem where chunks are missing or others */
export async function readBody(jobs: StoredItems, owner: JobKey, fields: BodyFields): Promise<string> {
  if ("body" in fields) return fields.body;
  const { content_id, count, sha256 } = fields.chunks;
  const pieces: string[] = [];
  await someAtOnce([...Array(count).keys()], async (n) => {
    const place = chunkPlace(owner, content_id, n);
    const found = await jobs.read(ITEMS.chunk, place);
    if (found === undefined)
      throw new UnreadableItem("chunk", nameOf({ ...owner, id: place.id }), "it is gone");
    pieces[n] = found.value.text;
  });
  const body = pieces.join("");
  if (sha256Hex(body) === sha256) return body;
  throw new UnreadableItem("chunk", nameOf({ ...owner, id: content_id }), "they are another body's");
}

async function removeChunks(jobs: StoredItems, owner: JobKey, contentId: string): Promise<void> {
  const { id: first, partition } = chunkPlace(owner, contentId, 0);
  const query = {
    ...({ byIds: true, select: "c.id", where: "c.id >= @first AND c.id < @end" } as const),
    parameters: { "@first": first, "@end": `${first.slice(0, -1)}~` } as const,
  };
  const found = await jobs.find(ITEMS.chunk, query, ITEMS.chunk.document.pick({ id: true }), { partition });
  await someAtOnce(found, ({ id }) => jobs.remove(ITEMS.chunk, { id, partition }));
}

/** Some at the same time; what fails is thrown once none is under way. */
export async function someAtOnce<T>(all: readonly T[], act: (each: T) => Promise<void>): Promise<void> {
  const left = [...all].values();
  const lane = async () => {
    for (const each of left) await act(each);
  };
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** @throws UnreadableItem */
export function bodyFieldsOf(item: {
  readonly id: string;
  readonly kind: string;
  readonly body?: string;
  readonly chunks?: Extract<BodyFields, { chunks: unknown }>["chunks"];
}): BodyFields {
  if (item.body !== undefined) return { body: item.body };
  if (item.chunks !== undefined) return { chunks: item.chunks };
  throw new UnreadableItem(item.kind, nameOf(item), "body: there is none");
}
