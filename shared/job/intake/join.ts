import type { Clock } from "../../clock.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Stored } from "../../store.ts";
import { isEnded, type Job } from "../job.ts";
import { draftOf } from "../life-cycle.ts";
import type { JobStore } from "../ports.ts";
import { change } from "../saving.ts";

/** A retry comes within seconds of the end that its client did not hear of. */
const JOINED_AFTER_END_MS = 60_000;
/** No client waits for longer, hops included. */
const JOINED_AFTER_START_MS = 3_600_000;

/** What a call that waits for its answer is known by: who called, for what, and with which bytes. */
export function coalesceOf(actor: string, endpoint: string, bodySha256: string): string {
  return sha256Hex(`${actor}\u0000${endpoint}\u0000${bodySha256}`);
}

/**
 * The job that an automatic retry repeats: the oldest of that call that no other retry has joined, live or ended just
 * now. Undefined: there is none, and the retry is a call like any other.
 * @param joinedBy the retry's own name: two retries never share a job
 * @throws StoreUnavailable
 */
export async function joinRepeated(
  { store, clock }: { readonly store: JobStore; readonly clock: Clock },
  call: { readonly tenantId: string; readonly coalesce: string; readonly joinedBy: string },
): Promise<Stored<Job> | undefined> {
  const nowMs = clock.now();
  const { tenantId, coalesce, joinedBy } = call;
  const isOpen = (job: Job) =>
    job.joined_by === undefined &&
    (!isEnded(job) || (job.completed_at_ms >= nowMs - JOINED_AFTER_END_MS && !job.content_deleted));
  for (const found of await store.coalescing(tenantId, coalesce, nowMs - JOINED_AFTER_START_MS)) {
    if (!isOpen(found)) continue;
    const joined = await change(store, found, clock, (job) =>
      isOpen(job) ? draftOf({ ...job, joined_by: joinedBy }) : undefined,
    );
    if (joined?.job.joined_by === joinedBy) return { value: joined.job, etag: joined.etag };
  }
  return undefined;
}
