import type { AuditRecord } from "../audit/record.ts";
import type { Clock } from "../clock.ts";
import { type Log, reasonOf } from "../log.ts";
import { type JobKey, type Stored, StoreUnavailable } from "../store.ts";
import { type Job, leaseOf } from "./job.ts";
import type { Draft } from "./life-cycle.ts";
import type { JobStore } from "./ports.ts";

export type SaveResult =
  /** `job`: as it is stored now; others may have written after the draft was. */
  | { readonly kind: "written"; readonly etag: string; readonly job: Job }
  /** `current`: what is there instead. */
  | { readonly kind: "superseded"; readonly current: Stored<Job> | undefined };

/**
 * Writes once; when the answer is «superseded» or is lost, reads what is there, since the write may have been
 * applied. Throws StoreUnavailable only when not even that could be learned.
 */
export async function save(store: JobStore, draft: Draft, etag: string, nowMs: number): Promise<SaveResult> {
  let unavailable: StoreUnavailable | undefined;
  try {
    const result = await store.write(draft, etag, nowMs);
    if (result.kind === "written") return { ...result, job: draft.job };
  } catch (thrown) {
    if (!(thrown instanceof StoreUnavailable)) throw thrown;
    unavailable = thrown;
  }
  const current = await store.read(draft.job);
  const applied = current !== undefined && isApplied(draft, current.value);
  const verdict = verdictOf(draft, {
    current: current?.value,
    isApplied: typeof applied === "boolean" ? applied : await store.hasRecord(draft.job, applied),
    isMadeFrom: current?.etag === etag,
    isLost: unavailable !== undefined,
  });
  if (verdict === "superseded") return { kind: "superseded", current };
  if (verdict === "written" && current !== undefined)
    return { kind: "written", etag: current.etag, job: current.value };
  throw unavailable ?? new StoreUnavailable(`${draft.job.job_id} was read older than it is known to be`);
}

/**
 * Whether `stored` holds what the draft would have written. A claim is worth something only while it is the last, so it
 * must be there itself; a record is there even when others have followed it: then it is the one to be looked for.
 */
export function isApplied({ job: mine, records }: Draft, stored: Job): boolean | AuditRecord {
  const isHead = stored.audit_hash === mine.audit_hash && stored.status === mine.status;
  if (mine.status === "in_progress") {
    const lease = leaseOf(stored);
    return isHead && lease?.claim_id === mine.lease.claim_id && lease.renewals >= mine.lease.renewals;
  }
  const last = records.at(-1);
  if (last !== undefined) return isHead || (stored.audit_seq > last.seq && last);
  return (
    isHead && stored.status === "queued" && mine.status === "queued" && stored.wake_at_ms === mine.wake_at_ms
  );
}

/** What became of a write that was refused, or whose answer was lost, by what was read after it. */
export function verdictOf(
  { job, records }: Draft,
  read: {
    readonly current: Job | undefined;
    readonly isApplied: boolean;
    /** What was read is the very version that the draft was made from. */
    readonly isMadeFrom: boolean;
    /** Nobody knows what became of the write. */
    readonly isLost: boolean;
  },
): "written" | "superseded" | "unavailable" {
  if (read.isApplied) return "written";
  // It was not applied (so far): with the same etag it may still be tried again.
  if (read.isLost && read.isMadeFrom) return "unavailable";
  // What the draft was made from had more records already: a replica that lags says nothing about who writes now.
  const isOld = (read.current?.audit_seq ?? 0) < job.audit_seq - records.length;
  return read.current === undefined || isOld ? "unavailable" : "superseded";
}

/** How often a change that any version of the job bears (a cancel, a late record) is tried against newer versions. */
const MAX_TRIES = 8;

/**
 * What a change that failed may yet have written: a write that timed out can be applied later, after a read that did
 * not show it. Whoever tries the same change again hands it on, so that it is not made twice.
 */
export interface Tried {
  record?: AuditRecord | undefined;
}

/**
 * Reads the job, changes it, writes it; again when somebody else wrote meanwhile. `change` returns undefined when
 * there is nothing to do. Answers the job as stored, or undefined when there is none.
 */
export async function change(
  store: JobStore,
  key: JobKey,
  clock: Pick<Clock, "now">,
  change: (job: Job) => Draft | undefined,
  tried: Tried = {},
): Promise<{ job: Job; etag: string; changed: boolean } | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const current = await store.read(key);
    if (current === undefined) return undefined;
    const { record } = tried;
    if (record !== undefined && record.seq <= current.value.audit_seq && (await store.hasRecord(key, record)))
      return { job: current.value, etag: current.etag, changed: true };
    const draft = change(current.value);
    if (draft === undefined) return { job: current.value, etag: current.etag, changed: false };
    tried.record = draft.records.at(-1);
    const saved = await save(store, draft, current.etag, clock.now());
    if (saved.kind === "written") return { job: saved.job, etag: saved.etag, changed: true };
  }
  throw new StoreUnavailable(`${key.job_id} changed ${MAX_TRIES} times while it was being written`);
}

/**
 * How long what a call has cost and answered is kept in hand while the store is away: longer than a failover or a
 * region's bad quarter of an hour, so that no attempt is burnt by it, and short enough for a function's time-out.
 */
const PATIENCE_MS = 15 * 60_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/** Does what must not be lost again and again while the store is away. Throws StoreUnavailable when patience is over. */
export async function patiently<T>(
  deps: { readonly clock: Clock; readonly log: Log },
  about: { readonly job_id: string; readonly attempt: number },
  run: () => Promise<T>,
): Promise<T> {
  const { clock, log } = deps;
  const givenUpAt = clock.monotonic() + PATIENCE_MS;
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
    try {
      return await run();
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
      const reason = reasonOf(thrown);
      if (clock.monotonic() > givenUpAt) {
        log.error("settle_given_up", { ...about, reason });
        throw thrown;
      }
      log.warn("settle_retried", { ...about, reason });
    }
    await new Promise<void>((resolve) => clock.after(retryMs, resolve));
  }
}
