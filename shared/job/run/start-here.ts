import { NOTHING_SPENT } from "../../budget/account.ts";
import type { Stored } from "../../store.ts";
import { end } from "../ending/end.ts";
import type { Accepted } from "../intake/accept.ts";
import { isUntaken, type StartedHere } from "../intake/submit.ts";
import { isEnded, type Job, leaseOf, type Queued } from "../job.ts";
import { type CallFacts, draftOf } from "../life-cycle.ts";
import { nudgeFor } from "../nudge.ts";
import { change } from "../saving.ts";
import { admitted, giveBack } from "./admission.ts";
import { PreparedRequest } from "./prepared-request.ts";
import { carryOut } from "./run.ts";
import type { RunDeps } from "./run-deps.ts";

/**
 * Claims a job for its first call in the write that accepts it, to run in the invocation that took it in: where this
 * instance has quota for it, and nobody waits. One that ends at once, since none may ever be called, ends in that write.
 * @param isQuick whether calls that take so long may run so; undefined: none was measured lately
 */
export async function startHere(
  deps: RunDeps,
  accepted: Accepted<Queued>,
  isQuick: (p95Ms: number | undefined) => boolean,
): Promise<StartedHere | undefined> {
  const { job, request, records } = accepted;
  if (deps.running.isEnding) return undefined;
  const prepared = new PreparedRequest(request, job);
  const admission = await admitted(deps, draftOf(job), nudgeFor(job), prepared);
  const { plan, quota } = admission;
  const leave = async (isLost: boolean) => {
    if (plan.next !== "call") return;
    giveBack(deps, quota, job.job_id);
    // Where the answer was lost the claim may have been made.
    if (isLost) deps.budgets.leave(plan.claimId);
    else await deps.budgets.settle(plan.claimId, NOTHING_SPENT);
  };
  const isSlow = plan.next === "call" && !isQuick(deps.latencies.p95Ms(plan.deployment.name, job.endpoint));
  if (isSlow || (plan.next !== "call" && !isEnded(plan.draft.job))) {
    await leave(false);
    return undefined;
  }
  return {
    accepted: {
      ...{ job: plan.draft.job, request, records: [...records, ...plan.draft.records] },
      ...(plan.draft.outbox === undefined ? {} : { outbox: plan.draft.outbox }),
    },
    run: (stored) => carryOut(deps, admission, stored, prepared).finally(() => quota?.leave()),
    giveUp: (stored, actor) => unsent(deps, stored, actor),
    leave,
  };
}

/** What came of a call that was never sent: it costs nothing. */
const NOT_SENT: CallFacts = {
  ...{ outcome: "aborted", usage: null, cost: null, free: true, latencyMs: 0, responseSha256: null },
};

async function unsent(
  { store, clock }: RunDeps,
  stored: Stored<Job>,
  actor: string,
): Promise<Stored<Job> | undefined> {
  const result = await change(store, stored.value, clock, (job) => {
    if (isEnded(job) || !isUntaken(job)) return undefined;
    const call = leaseOf(job) === null ? {} : { call: NOT_SENT };
    return end(draftOf(job), {
      status: "cancelled",
      nowMs: clock.now(),
      actor,
      reason: "client_left",
      ...call,
    });
  });
  return result?.changed === true ? { value: result.job, etag: result.etag } : undefined;
}
