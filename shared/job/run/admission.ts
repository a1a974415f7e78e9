import { type Ask, NOTHING_SPENT } from "../../budget/account.ts";
import { unitsOf } from "../../decimal.ts";
import { MAX_CLOCKS_APART_MS, MAX_LOST_ATTEMPTS } from "../../limits.ts";
import type { Deployment } from "../../model/catalogue.ts";
import type { Taken } from "../../quota/belief/pool.ts";
import { GRANT_MS, type Grant } from "../../quota/grant.ts";
import type { JobKey } from "../../store.ts";
import { advance, type Circumstances, type Plan } from "../advance.ts";
import type { Queued } from "../job.ts";
import type { Draft } from "../life-cycle.ts";
import type { Nudge } from "../ports.ts";
import { type SaveResult, save } from "../saving.ts";
import type { PreparedRequest } from "./prepared-request.ts";
import type { RunDeps } from "./run-deps.ts";

/** Quota taken for one call: granted by the dispatcher, or of this instance's own slice. */
export interface TakenQuota {
  readonly deployment: string;
  readonly taken: Taken;
  readonly granted: boolean;
  /** Gives back the call's slot of this instance. */
  readonly leave: () => void;
}

/** What a job does next, and the quota taken for it if that is a call. */
export interface Admitted {
  readonly plan: Plan;
  readonly quota: TakenQuota | undefined;
  /** What there was no money for. */
  readonly unpaid?: Ask | undefined;
}

/** What the job's turn depends on besides the job: what a nudge tells, and money. */
type Told = Omit<Circumstances["dispatch"], "tokens"> & Pick<Circumstances, "over" | "callsAnew">;

/**
 * What a job does next; a call only where there is quota for it, which is then taken, in the same moment, and money,
 * which is then put aside. Where this instance has no quota it asks for some once: a job with free quota waits for
 * no timer.
 */
export async function admitted(
  deps: RunDeps,
  start: Draft<Queued>,
  nudge: Nudge,
  request: PreparedRequest,
): Promise<Admitted> {
  const { quota, budgets } = deps;
  const { tenant_id: tenantId } = start.job;
  const grant = currentGrant(nudge, deps.clock.now());
  const told = { granted: grant?.deployment, late: nudge.late !== undefined, callsAnew: false };
  const decide = (over = budgets.knownOver(tenantId)) =>
    advance(start, circumstances(deps, tenantId, request, { ...told, over }));
  let plan = decide();
  const isNew = start.job.waiting?.for !== "quota" && grant === undefined;
  if (plan.next === "wait" && isNew) {
    await quota.prepare(plan.deployments, request.tokens, tenantId);
    // It may go now, or it is known by now why not.
    plan = decide();
  }
  if (plan.next !== "call") return { plan, quota: undefined };
  const { deployment } = plan;
  const { job_id: jobId } = start.job;
  const taken = takenFor(deps, start.job, deployment, request, grant);
  const { over, ask } = await reserved(deps, plan, deployment, request, taken);
  if (over === undefined) return { plan, quota: taken };
  giveBack(deps, taken, jobId);
  return { plan: decide(over), quota: undefined, unpaid: ask };
}

/** A grant that has lapsed is none, nor is one that no dispatcher could have given yet. */
function currentGrant({ grant }: Nudge, nowMs: number): Grant | undefined {
  const latestMs = nowMs + GRANT_MS + MAX_CLOCKS_APART_MS;
  return grant !== undefined && grant.lapses_ms > nowMs && grant.lapses_ms <= latestMs ? grant : undefined;
}

/** Puts money aside for the claim that the plan makes. @throws StoreUnavailable, and what was taken goes back */
async function reserved(
  deps: RunDeps,
  plan: Plan,
  deployment: Deployment,
  request: PreparedRequest,
  taken: TakenQuota,
) {
  const { job } = plan.draft;
  if (deps.budgets.budgetOf(job.tenant_id) === undefined || plan.next !== "call") return NOTHING;
  const ask: Ask = {
    ...{ job_id: job.job_id, attempt: job.attempts, claim_id: plan.claimId },
    ...request.money(deployment),
  };
  if (unitsOf(ask.amount) === 0n) return NOTHING;
  try {
    return { over: await deps.budgets.reserve(job.tenant_id, ask), ask };
  } catch (thrown) {
    giveBack(deps, taken, job.job_id);
    throw thrown;
  }
}

const NOTHING = { over: undefined, ask: undefined };

/** Takes for a call what it needs of this instance: a slot, and quota where none was granted. */
export function takenFor(
  deps: RunDeps,
  { tenant_id: tenant, job_id: jobId }: JobKey,
  { name: deployment }: Deployment,
  { tokens, bytes }: PreparedRequest,
  grant?: Grant,
): TakenQuota {
  const leave = deps.bulkhead.begin({ tenant, deployment, bytes });
  if (grant !== undefined) return { ...grant, granted: true, leave };
  return { deployment, taken: deps.quota.take(deployment, tokens, jobId, tenant), granted: false, leave };
}

/** What was taken of this instance's own for a call that is not made goes back. */
export function giveBack(deps: RunDeps, quota: TakenQuota | undefined, jobId: string): void {
  if (quota?.granted === false) deps.quota.giveBack(quota.deployment, quota.taken, jobId);
  quota?.leave();
}

/** What was taken for a call that is not made after all goes back. */
export async function saveAdmitted(
  deps: RunDeps,
  { plan, quota }: Admitted,
  etag: string,
): Promise<SaveResult> {
  let saved: SaveResult | undefined;
  try {
    saved = await save(deps.store, plan.draft, etag, deps.clock.now());
    return saved;
  } finally {
    if (saved?.kind !== "written" && plan.next === "call") {
      giveBack(deps, quota, plan.draft.job.job_id);
      // Where the answer was lost the claim may have been made.
      if (saved === undefined) deps.budgets.leave(plan.claimId);
      else await deps.budgets.settle(plan.claimId, NOTHING_SPENT);
    }
  }
}

/** @param told a grant is for one deployment: all others are not to be called for it */
export function circumstances(
  deps: RunDeps,
  tenantId: string,
  request: PreparedRequest,
  { granted, late, over, callsAnew }: Told,
): Circumstances {
  const { tokens, bytes } = request;
  const waitCause = (deployment: string) => {
    if (granted !== undefined && granted !== deployment) return "not_granted";
    const cause = granted === undefined ? deps.quota.waits(deployment, tokens, tenantId)?.cause : undefined;
    if (cause !== undefined || deps.bulkhead.mayBegin({ tenant: tenantId, deployment, bytes })) return cause;
    deps.quota.crowded(deployment);
    return "concurrency";
  };
  return {
    dispatch: { granted, late, tokens },
    ...{ over, callsAnew },
    nowMs: deps.clock.now(),
    actor: deps.actor,
    catalogue: deps.catalogue(),
    tenant: deps.tenants().get(tenantId),
    ask: request.ask,
    maxAttempts: deps.maxAttempts,
    maxLostAttempts: MAX_LOST_ATTEMPTS,
    leaseSeconds: deps.leaseSeconds,
    nudgeGraceMs: deps.nudgeGraceMs,
    waitCause,
    hasServedOthers: (deployment, jobId, sinceMs) => deps.quota.hasServedOthers(deployment, jobId, sinceMs),
    latencyMs: (deployment) => deps.latencies.latencyMs(deployment),
    requestSha256: (deployment) => request.sha256For(deployment),
    newClaimId: deps.newClaimId,
    random: deps.random,
  };
}
