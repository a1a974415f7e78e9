import { mostCostOf } from "../../model/bill.ts";
import type { Deployment } from "../../model/catalogue.ts";
import type { Cost } from "../../model/cost.ts";
import { backOffMs } from "../../model/outcome.ts";
import { readAsk } from "../../model/protocol/protocols.ts";
import { queuedWakeAtMs } from "../advance.ts";
import type { Job, Lease, Live, Queued, StoredRequest } from "../job.ts";
import { type Draft, draftOf, loseAttempt, type Requeue } from "../life-cycle.ts";
import type { Nudge } from "../ports.ts";

/**
 * The job as a worker can decide on it: queued, or taken from a holder that is known to be gone, since the nudge
 * names the very lease that was seen unchanged for its whole length. Undefined: a live lease, its holder sees to it.
 */
export function takeOver(
  job: Live,
  nudge: Pick<Nudge, "dead_lease">,
  by: {
    readonly nowMs: number;
    readonly actor: string;
    readonly nudgeGraceMs: number;
    readonly random: () => number;
    /** What the lost call may have cost; absent: nobody can tell. */
    readonly estimate?: (lease: Lease) => Cost | null;
  },
): Draft<Queued> | undefined {
  if (job.status === "queued") return draftOf(job);
  const { lease } = job;
  const dead = nudge.dead_lease;
  if (dead?.claim_id !== lease.claim_id || dead.renewals !== lease.renewals) return undefined;
  const retryAtMs = retryLostAtMs(job, by);
  const requeue: Requeue = {
    nowMs: by.nowMs,
    actor: by.actor,
    reason: "lease_expired",
    failure: `${lease.deployment}: the worker was lost during the call`,
    retryAtMs,
    wakeAtMs: queuedWakeAtMs(job, retryAtMs ?? by.nowMs, by.nudgeGraceMs),
    spent: false,
    lost: true,
  };
  return loseAttempt(draftOf(job), requeue, by.estimate?.(lease) ?? null);
}

/** At once after the first loss, which is nobody's fault; then after ever longer pauses, for it may be the job's. */
function retryLostAtMs(
  { attempts_lost: before = 0 }: Job,
  by: { readonly nowMs: number; readonly random: () => number },
): number | null {
  return before === 0 ? null : by.nowMs + backOffMs(before, by.random);
}

/** What a call that nobody knows the end of may have cost. */
export function lostCost(
  deployment: Deployment | undefined,
  job: Pick<Job, "endpoint">,
  request: StoredRequest | undefined,
): Cost | null {
  if (deployment === undefined || request === undefined) return null;
  return mostCostOf(
    readAsk(job.endpoint, () => JSON.parse(request.body)),
    deployment,
  );
}
