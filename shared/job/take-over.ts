import { queuedWakeAtMs } from "./advance.ts";
import type { Job } from "./job.ts";
import { type Draft, draftOf, loseAttempt } from "./life-cycle.ts";
import type { Nudge } from "./ports.ts";

/**
 * The job as a worker can decide on it: queued, or taken from a holder that is known to be gone, since the nudge
 * names the very lease that was seen unchanged for its whole length. Undefined: a live lease, its holder sees to it.
 */
export function takeOver(
  job: Job,
  nudge: Pick<Nudge, "dead_lease">,
  by: { readonly nowMs: number; readonly actor: string; readonly nudgeGraceMs: number },
): Draft | undefined {
  const { lease } = job;
  if (lease === null) return draftOf(job);
  const dead = nudge.dead_lease;
  if (dead?.claim_id !== lease.claim_id || dead.renewals !== lease.renewals) return undefined;
  return loseAttempt(draftOf(job), {
    nowMs: by.nowMs,
    actor: by.actor,
    reason: "lease_expired",
    failure: `${lease.deployment}: the worker was lost during the call`,
    retryAtMs: null,
    wakeAtMs: queuedWakeAtMs(job, by.nowMs, by.nudgeGraceMs),
    spent: true,
  });
}
