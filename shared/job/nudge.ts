import type { Clock } from "../clock.ts";
import { type Log, reasonOf } from "../log.ts";
import { type JobKey, STORED_VERSION } from "../store.ts";
import type { Nudge, Nudges } from "./ports.ts";

/** The nudge for a job. */
export function nudgeFor({ tenant_id, job_id }: JobKey, more: Omit<Nudge, "v" | keyof JobKey> = {}): Nudge {
  return { v: STORED_VERSION, tenant_id, job_id, ...more };
}

/** A client waits no longer than this for Service Bus. */
const CLIENT_PATIENCE_MS = 1_000;

/**
 * Nudges a job that was just stored, for when it is due. One that Service Bus does not take is logged: the sweeper
 * sends another. Answers whether it was taken.
 */
export async function nudgeStored(
  deps: { readonly nudges: Nudges; readonly clock: Pick<Clock, "now">; readonly log: Log },
  job: JobKey,
  due: { readonly atMs: number | null; readonly isClientWaiting: boolean },
): Promise<boolean> {
  const { atMs } = due;
  try {
    await deps.nudges.send(nudgeFor(job), {
      ...(atMs !== null && atMs > deps.clock.now() ? { atMs } : {}),
      ...(due.isClientWaiting ? { patienceMs: CLIENT_PATIENCE_MS } : {}),
    });
    return true;
  } catch (thrown) {
    deps.log.warn("nudge_not_sent", { job_id: job.job_id, reason: reasonOf(thrown) });
    return false;
  }
}
