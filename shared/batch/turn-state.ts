import type { Clock } from "../clock.ts";
import type { EventType } from "../event-type.ts";
import { contentOf } from "../files/content.ts";
import { type FileKey, PAGE_BYTES, type Page } from "../files/file.ts";
import type { Pace } from "../files/pace.ts";
import type { EndingDeps } from "../job/ending/cancel.ts";
import type { OutboxItem } from "../job/ending/outbox.ts";
import type { Retention } from "../job/intake/accept.ts";
import type { JobStore, Traces } from "../job/ports.ts";
import type { Log } from "../log.ts";
import type { InstanceQuota } from "../quota/instance/instance-quota.ts";
import { type JobKey, UnreadableItem } from "../store.ts";
import type { Tenants } from "../tenant/tenants.ts";
import type { Listeners } from "../webhook/listeners.ts";
import { type Batch, counted, type Progress, resultFileId } from "./batch.ts";
import { type BatchDeps, TURN_GRACE_MS } from "./create.ts";
import type { LineDeps } from "./line.ts";
import type { StoredBatch, StoredProgress } from "./ports.ts";
import type { FailureOf, ResultLine } from "./result.ts";
import type { InputLimits } from "./validate.ts";

export interface TurnDeps extends BatchDeps, LineDeps, EndingDeps {
  readonly store: JobStore;
  readonly tenants: () => Tenants;
  readonly quota: Pick<InstanceQuota, "waitsInLine">;
  readonly traces: Traces;
  readonly pace: Pace;
  readonly limits: InputLimits;
  readonly retention: Retention;
  readonly nudgeGraceMs: number;
  readonly failureOf: FailureOf;
  readonly clock: Clock;
  readonly randomHex: (bytes: number) => string;
  readonly log: Log;
  readonly wants: Listeners["wants"];
  readonly announce: (key: JobKey, outbox: readonly OutboxItem[]) => void;
}

/** The batch's last write, with what is told of it. @throws Superseded */
export async function endBatch(
  { batches, clock, wants, announce }: Pick<TurnDeps, "batches" | "clock" | "wants" | "announce">,
  from: StoredBatch,
  ended: Batch,
): Promise<void> {
  const { tenant_id, batch_id, status } = ended;
  const event = `batch.${status}` as EventType;
  const outbox = wants(tenant_id, event) ? [{ event, about: batch_id, at_ms: clock.now() }] : [];
  if ((await batches.write(from, ended, null, { outbox })) === "superseded") throw new Superseded();
  announce({ tenant_id, job_id: batch_id }, outbox);
}

/** A turn goes on for so long, then another message takes its place: no invocation runs for hours. */
const TURN_MS = 20_000;
/** Files of results may be begun so long before they are whole. */
const UNFINISHED_MS = 7 * 86_400_000;

/** Somebody else has acted on the batch since it was read. */
export class Superseded extends Error {}

/** A batch and how far it is, as this turn has stored them. */
export class Turn {
  readonly deps: TurnDeps;
  #batch: StoredBatch;
  #progress: StoredProgress;
  readonly #untilMs: number;
  #hasExpanded = false;

  constructor(deps: TurnDeps, batch: StoredBatch, progress: StoredProgress) {
    this.deps = deps;
    this.#batch = batch;
    this.#progress = progress;
    this.#untilMs = deps.clock.monotonic() + TURN_MS;
  }

  get batch(): Batch {
    return this.#batch.batch;
  }

  get progress(): Progress {
    return this.#progress.progress;
  }

  /** Nothing is stored of it so far: its input was not looked at. */
  get isNew(): boolean {
    return this.#progress.etag === undefined;
  }

  /** Whether this turn has read lines and stored so: behind those no other has made jobs. */
  get hasExpanded(): boolean {
    return this.#hasExpanded;
  }

  get isOver(): boolean {
    return this.deps.clock.monotonic() >= this.#untilMs;
  }

  /** The input, from the cursor or another byte on. Undefined: it is gone, or nobody can tell where it is. */
  async input(from = this.progress.cursor.offset): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { files } = this.deps;
    const file = await files.read({ tenant_id: this.batch.tenant_id, file_id: this.batch.input_file_id });
    if (file === undefined) return undefined;
    const range = { from, to: Number.POSITIVE_INFINITY };
    try {
      return contentOf(files, file, await files.pages(file), range);
    } catch (thrown) {
      if (thrown instanceof UnreadableItem) return undefined;
      throw thrown;
    }
  }

  /**
   * Stores how far it is. Lines that have ended are counted, and stand in the files, from then on.
   * @throws Superseded
   */
  async commit(results: readonly ResultLine[], change: Partial<Progress>): Promise<void> {
    const fresh = results.filter(({ line }) => !this.progress.reported.has(line));
    const output = await this.#written(
      "output",
      fresh.filter((each) => each.isCompleted),
    );
    const errors = await this.#written(
      "error",
      fresh.filter((each) => !each.isCompleted),
    );
    const before = this.progress;
    await this.write(counted(this.batch, fresh, this.deps.clock.now()), {
      ...before,
      ...change,
      reported: before.reported.with(fresh.map(({ line }) => line)),
      output: [...before.output, ...output],
      errors: [...before.errors, ...errors],
    });
    if (change.cursor !== undefined) this.#hasExpanded = true;
  }

  async write(
    batch: Batch,
    progress?: Progress,
    dueMs: number | null = this.deps.clock.now() + TURN_MS + TURN_GRACE_MS,
  ): Promise<void> {
    const both = progress && { from: this.#progress, to: progress };
    const written = await this.deps.batches.write(this.#batch, batch, dueMs, { progress: both });
    if (written === "superseded") throw new Superseded();
    this.#batch = written.batch;
    if (written.progress !== undefined) this.#progress = written.progress;
  }

  /** It has ended; who wants to hear that is told. @throws Superseded */
  async end(batch: Batch): Promise<void> {
    const { batches, clock, wants, announce } = this.deps;
    await endBatch({ batches, clock, wants, announce }, this.#batch, batch);
    this.#batch = { ...this.#batch, batch };
  }

  /** Pages are written before they count; one that is never counted goes with its file. */
  async #written(which: "output" | "error", results: readonly ResultLine[]): Promise<Page[]> {
    if (results.length === 0) return [];
    const { files, pace, randomHex, clock } = this.deps;
    const key = this.file(which);
    const isFirst = (which === "output" ? this.progress.output : this.progress.errors).length === 0;
    if (isFirst) await files.begin(key, Math.max(this.batch.expires_at_ms, clock.now()) + UNFINISHED_MS);
    const bytes = Buffer.from(results.map(({ text }) => text).join(""));
    const pages: Page[] = [];
    for (let from = 0; from < bytes.length; from += PAGE_BYTES) {
      const part = bytes.subarray(from, from + PAGE_BYTES);
      const id = `page-${randomHex(8)}`;
      await pace.take(part.length);
      await files.writePage(key, id, part);
      pages.push({ id, bytes: part.length });
    }
    return pages;
  }

  file(which: "output" | "error"): FileKey {
    return { tenant_id: this.batch.tenant_id, file_id: resultFileId(this.batch, which) };
  }
}
