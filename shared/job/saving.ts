import type { Clock } from "../clock.ts";
import type { Job } from "./job.ts";
import type { Draft } from "./life-cycle.ts";
import { type JobStore, type Stored, StoreUnavailable } from "./ports.ts";

/** Whether `stored` is what the draft would have written: a write whose answer was lost may have been applied. */
export function isApplied(draft: Draft, stored: Job): boolean {
  const mine = draft.job;
  return (
    stored.audit_hash === mine.audit_hash &&
    stored.lease?.claim_id === mine.lease?.claim_id &&
    (stored.lease?.renewals ?? 0) >= (mine.lease?.renewals ?? 0) &&
    stored.status === mine.status
  );
}

export type SaveResult =
  | { readonly kind: "written"; readonly etag: string }
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
    if (result.kind === "written") return result;
  } catch (thrown) {
    if (!(thrown instanceof StoreUnavailable)) throw thrown;
    unavailable = thrown;
  }
  const current = await store.read(draft.job);
  if (current !== undefined && isApplied(draft, current.value))
    return { kind: "written", etag: current.etag };
  // The read shows that the write was not applied (so far): with the same etag it may still be tried again.
  if (unavailable !== undefined && current?.etag === etag) throw unavailable;
  return { kind: "superseded", current };
}

/** How often a change that any version of the job bears (a cancel, a late record) is tried against newer versions. */
const MAX_TRIES = 8;

/**
 * Reads the job, changes it, writes it; again when somebody else wrote meanwhile. `change` returns undefined when
 * there is nothing to do. Answers the job as stored, or undefined when there is none.
 */
export async function change(
  store: JobStore,
  key: { tenant_id: string; job_id: string },
  clock: Pick<Clock, "now">,
  change: (job: Job) => Draft | undefined,
): Promise<{ job: Job; etag: string; changed: boolean } | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const current = await store.read(key);
    if (current === undefined) return undefined;
    const draft = change(current.value);
    if (draft === undefined) return { job: current.value, etag: current.etag, changed: false };
    const saved = await save(store, draft, current.etag, clock.now());
    if (saved.kind === "written") return { job: draft.job, etag: saved.etag, changed: true };
  }
  throw new StoreUnavailable(`${key.job_id} changed ${MAX_TRIES} times while it was being written`);
}
