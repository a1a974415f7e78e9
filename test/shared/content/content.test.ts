import type { Container } from "@azure/cosmos";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { CosmosContent, CosmosLooseContent } from "../../../shared/azure/cosmos/content.ts";
import { CosmosJobStore } from "../../../shared/azure/cosmos/job-store.ts";
import { StoredItems } from "../../../shared/azure/cosmos/stored-items.ts";
import { CosmosTrails } from "../../../shared/azure/cosmos/trails.ts";
import { fits, piecesOf } from "../../../shared/content/content.ts";
import { leftoversSweep } from "../../../shared/content/leftovers.ts";
import { end } from "../../../shared/job/ending/end.ts";
import { acceptJob, type Submission } from "../../../shared/job/intake/accept.ts";
import { isEnded, type Job } from "../../../shared/job/job.ts";
import { deleteContent, draftOf } from "../../../shared/job/life-cycle.ts";
import {
  CHUNK_BYTES,
  MAX_INLINE_BYTES,
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_CHARS,
  MAX_REQUEST_BYTES,
  MAX_RESPONSE_BYTES,
  UNCOMMITTED_MS,
} from "../../../shared/limits.ts";
import { by, submission } from "../job/samples.ts";
import { silent, World } from "../world.ts";

const opened = await World.open();
afterAll(() => opened.close());
const { clock } = opened;
const trails = new CosmosTrails(opened.items.jobs, opened.items.control);
let count = 0;

/** A text that takes so many bytes where it is stored. */
const bodyOf = (bytes: number) => '"'.repeat(1_000) + "x".repeat(bytes - 2_002);

async function stored(change: Partial<Submission>, store: CosmosJobStore = over(opened.jobs)) {
  const nowMs = clock.now();
  const accepted = acceptJob(
    { ...submission, deadlineMs: nowMs + 1e7, ...change },
    { ...by, jobId: `job_${++count}`, nowMs, retention: { contentDays: 1, auditDays: 0 } },
  );
  const created = await store.create(accepted, nowMs);
  if (created.kind !== "written") throw new Error(created.kind);
  return { job: accepted.job, etag: created.etag };
}

function over(container: Container): CosmosJobStore {
  const jobs = new StoredItems(container, silent);
  return new CosmosJobStore(jobs, { contentDays: 1, auditDays: 0 }, new CosmosContent(jobs, clock));
}

const completed = (job: Job, body: string) => {
  if (isEnded(job)) throw new Error("it has ended");
  const response = { status_code: 200, request_id: "r", body };
  return end(draftOf(job), { status: "completed", nowMs: clock.now(), actor: "w", response });
};

/** Ids of all that is stored under a job. */
async function idsOf({ tenant_id, job_id }: Pick<Job, "tenant_id" | "job_id">): Promise<string[]> {
  const query = opened.jobs.items.query<{ id: string }>("SELECT c.id FROM c", {
    partitionKey: [tenant_id, job_id],
  });
  return (await query.fetchAll()).resources.map(({ id }) => id).sort();
}
const withoutNumbers = (ids: string[]) => ids.map((id) => id.replace(/-.*/, ""));

describe("the pieces of a text", () => {
  const chars = fc.constantFrom("a", '"', "\n", "\u0001", "é", "鱀", "😀");
  const text = fc.array(fc.tuple(chars, fc.nat(400)), { maxLength: 20 });
  const most = fc.integer({ min: 16, max: 700 });

  it("are the text, each small enough, and none ends within a character", () => {
    fc.assert(
      fc.property(text, most, (runs, bytes) => {
        const whole = runs.map(([char, times]) => char.repeat(times)).join("");
        const pieces = piecesOf(whole, bytes);
        expect(pieces.join("")).toBe(whole);
        for (const piece of pieces) {
          expect(Buffer.byteLength(JSON.stringify(piece))).toBeLessThanOrEqual(bytes);
          expect(piece.isWellFormed() && piece !== "").toBe(true);
        }
        expect(fits(whole, bytes)).toBe(Buffer.byteLength(JSON.stringify(whole)) <= bytes);
      }),
    );
  });
});

describe("a body", () => {
  // The bare store writes the outbox item too: in the service only a tenant that listens has one.
  it("lies in its item as far as that goes, beside the largest job, as a request and as an answer", async () => {
    const body = bodyOf(MAX_INLINE_BYTES);
    const pairs = Array.from({ length: MAX_METADATA_PAIRS }, (_, n) => [
      String(n).padEnd(MAX_METADATA_KEY_CHARS, "k"),
      "\u0001".repeat(MAX_METADATA_VALUE_CHARS),
    ]);
    const metadata: Record<string, string> = Object.fromEntries(pairs);
    const { job, etag } = await stored({ bodyText: body, metadata });
    await opened.ports.store.write(completed(job, body), etag, clock.now());
    expect((await opened.ports.store.readWithRequest(job))?.request).toEqual({ body });
    expect((await opened.ports.store.readResponse(job))?.body).toBe(body);
    expect(withoutNumbers(await idsOf(job))).toEqual(["job", "outbox", "request", "response"]);
  });

  const large = [4 * CHUNK_BYTES + 1, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES];
  const roundTrip = async (sizes: readonly number[]) => {
    const { store } = opened.ports;
    for (const bytes of sizes) {
      const body = bodyOf(bytes);
      const { job, etag } = await stored({ bodyText: body });
      expect((await store.readWithRequest(job))?.request).toEqual({ body });
      const response = { status_code: 200, request_id: "r", body };
      expect((await store.write(completed(job, body), etag, clock.now())).kind).toBe("written");
      expect(await store.readResponse(job)).toEqual(response);
      expect((await store.readWithResponse(job))?.response).toEqual(response);
      expect((await trails.contents(job)).response).toBe(body);
      const ids = await idsOf(job);
      expect(ids.filter((id) => id.startsWith("writing"))).toEqual([]);
      const partition = [job.tenant_id, job.job_id];
      const ttlOf = async (id = "") => (await opened.jobs.item(id, partition).read()).resource.ttl;
      const chunk = ids.find((id) => id.startsWith("content-"));
      expect(await ttlOf(chunk)).toBe((await ttlOf("response")) + 3_600);
    }
  };
  it("of any size comes back whole, to every reader, and lapses with its job", () =>
    roundTrip([MAX_INLINE_BYTES + 1, 4 * CHUNK_BYTES - 2]));
  it("of the largest size does, too", { tags: ["long"] }, () => roundTrip(large));

  it("that is put again, because its batch was not stored, is not stored twice", async () => {
    const { job, etag } = await stored({});
    const store = over(opened.jobs);
    const ended = completed(job, bodyOf(3 * MAX_INLINE_BYTES));
    expect((await store.write(ended, '"another"', clock.now())).kind).toBe("superseded");
    const before = (await idsOf(job)).filter((id) => id.startsWith("content"));
    expect((await store.write(ended, etag, clock.now())).kind).toBe("written");
    expect((await idsOf(job)).filter((id) => id.startsWith("content"))).toEqual(before);
  });

  it("is another's, or gone, where one of its chunks is", async () => {
    const { job } = await stored({ bodyText: bodyOf(3 * MAX_INLINE_BYTES) });
    const chunk = (await idsOf(job)).find((id) => id.startsWith("content")) ?? "";
    const item = opened.jobs.item(chunk, [job.tenant_id, job.job_id]);
    const { resource } = await item.read();
    await item.replace({ ...resource, text: "x" });
    const readBack = async () => (await opened.ports.store.readWithRequest(job))?.request;
    expect(await readBack()).toMatchObject({ name: "UnreadableItem", kind: "chunk" });
    expect((await trails.contents(job)).request).toBe("");
    await item.delete();
    expect(await readBack()).toMatchObject({ name: "UnreadableItem", kind: "chunk" });
  });
});

class Died extends Error {}

/** The container as a process sees it that dies before its `left`th write. */
function dying(container: Container, left: number): Container {
  let writes = 0;
  const guarded = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, name) {
        const own: unknown = Reflect.get(of, name);
        if (typeof own !== "function") return own;
        return (...args: unknown[]) => {
          const isBatchOfReads =
            name === "batch" && (args[0] as { operationType: string }[])[0]?.operationType === "Read";
          const isWrite = ["create", "upsert", "replace", "delete", "batch"].includes(String(name));
          if (isWrite && !isBatchOfReads && ++writes > left) throw new Died();
          return own.apply(of, args);
        };
      },
    });
  const item = (...of: Parameters<Container["item"]>) => guarded(container.item(...of));
  return { item, items: guarded(container.items) } as unknown as Container;
}

describe("a process that dies between any two writes", () => {
  const body = bodyOf(MAX_INLINE_BYTES + 1);
  /** Writes until that is stored, or erased, and some more. */
  const everyWrite = Array.from({ length: 12 }, (_, n) => n);

  async function swept(container = opened.jobs): Promise<void> {
    const uncommitted = new CosmosLooseContent(new StoredItems(container, silent));
    await leftoversSweep(uncommitted, clock)().catch(() => undefined);
  }

  it("leaves a job with its whole request, or nothing once it was swept, whoever dies sweeping", async () => {
    let whole = 0;
    for (const left of everyWrite) {
      const created = await stored({ bodyText: body }, over(dying(opened.jobs, left))).catch(() => undefined);
      const key = { tenant_id: "team-a", job_id: `job_${count}` };
      clock.advance(UNCOMMITTED_MS - 1);
      const before = await idsOf(key);
      await swept();
      expect(await idsOf(key)).toEqual(before);
      clock.advance(1);
      await swept(dying(opened.jobs, left % 7));
      clock.advance(UNCOMMITTED_MS);
      await swept();
      if (created !== undefined) whole++;
      if (created === undefined) expect(await idsOf(key)).toEqual([]);
      else expect((await opened.ports.store.readWithRequest(key))?.request).toEqual({ body });
    }
    expect(whole).toBeGreaterThan(1);
  });

  it("leaves content that was erased to nobody", { tags: ["long"] }, async () => {
    let erased = 0;
    for (const left of everyWrite) {
      const { job, etag } = await stored({ bodyText: body });
      const ended = completed(job, body);
      await opened.ports.store.write(ended, etag, clock.now());
      const found = await opened.ports.store.read(job);
      if (found === undefined || !isEnded(found.value)) throw new Error("it has not ended");
      const draft = deleteContent(draftOf(found.value), { nowMs: clock.now(), actor: "t" });
      const store = over(dying(opened.jobs, left));
      const written = await store.write(draft, found.etag, clock.now()).catch(() => undefined);
      await swept(dying(opened.jobs, left % 5));
      await swept();
      const contents = await trails.contents(job);
      if (written === undefined) expect(contents).toEqual({ request: body, response: body });
      else {
        erased++;
        expect(withoutNumbers(await idsOf(job))).toEqual(["job", "outbox"]);
      }
    }
    expect(erased).toBeGreaterThan(5);
  });

  it("and a slow batch commits nothing that the sweeper has begun to remove", async () => {
    const { job, etag } = await stored({});
    const store = over(opened.jobs);
    const ended = completed(job, body);
    await store.write(ended, '"another"', clock.now());
    clock.advance(UNCOMMITTED_MS);
    await swept();
    // The same process, which was frozen meanwhile: as if no time had passed for it.
    clock.advance(-UNCOMMITTED_MS);
    await expect(store.write(ended, etag, clock.now())).rejects.toThrow("not committed in time");
    expect((await store.write(ended, etag, clock.now())).kind).toBe("written");
    expect((await opened.ports.store.readResponse(job))?.body).toBe(body);
  });
});
