import { unitsOf } from "../../decimal.ts";
import type { Deployment } from "../../model/catalogue.ts";
import type { Taken } from "../../quota/belief/pool.ts";
import { advance, type Circumstances, type Plan } from "../advance.ts";
import type { Draft } from "../life-cycle.ts";
import type { Nudge } from "../ports.ts";
import { type SaveResult, save } from "../saving.ts";
import type { PreparedRequest } from "./prepared-request.ts";
import type { RunDeps } from "./run-deps.ts";

/** Quota that is held for a call: the dispatcher's grant, or of this instance's own slice. */
export interface Held {
  readonly deployment: string;
  readonly taken: Taken;
  readonly granted: boolean;
}

/** What a job does next, and what is held for it if that is a call. */
export interface Admitted {
  readonly plan: Plan;
  readonly held: Held | undefined;
  /** What its call may cost, where there was no money for it; decimal. */
  readonly unpaid?: string;
}

/** What the job's turn depends on besides the job, as far as a nudge tells it. */
interface Told {
  readonly granted: string | undefined;
  readonly late: boolean;
}

/**
 * What a job does next; a call only where there is quota for it, which is then taken, in the same moment, and money,
 * which is then put aside. Where this instance holds no quota it asks for some once: a job with free quota waits for
 * no timer.
 */
export async function admitted(
  deps: RunDeps,
  start: Draft,
  nudge: Nudge,
  request: PreparedRequest,
): Promise<Admitted> {
  const { quota, budgets } = deps;
  const { tenant_id: tenantId } = start.job;
  const grant =
    nudge.grant !== undefined && nudge.grant.lapses_ms > deps.clock.now() ? nudge.grant : undefined;
  const told = { granted: grant?.deployment, late: nudge.late === true };
  const decide = (over = budgets?.knownOver(tenantId)) =>
    advance(start, { ...circumstances(deps, tenantId, request, told), over });
  let plan = decide();
  const isNew = plan.next.kind === "wait" && start.job.parked === undefined && grant === undefined;
  if (quota !== undefined && plan.next.kind === "wait" && isNew)
    if (await quota.prepare(plan.next.deployments, request.tokens)) plan = decide();
  if (plan.next.kind !== "call") return { plan, held: undefined };
  const { deployment } = plan.next;
  const { job_id: jobId } = start.job;
  const held =
    grant === undefined ? takenHere(deps, deployment, request, jobId) : { ...grant, granted: true };
  const { over, amount } = await reserved(deps, plan, deployment, request, held);
  if (over === undefined) return { plan, held };
  giveBack(deps, held, jobId);
  return { plan: decide(over), held: undefined, unpaid: amount };
}

/** Puts money aside for the claim that the plan makes. @throws StoreUnavailable, and what was taken goes back */
async function reserved(
  deps: RunDeps,
  plan: Plan,
  deployment: Deployment,
  request: PreparedRequest,
  held: Held | undefined,
) {
  const { job } = plan.draft;
  if (deps.budgets?.budgetOf(job.tenant_id) === undefined || plan.next.kind !== "call") return NOTHING;
  const amount = request.costAtMost(deployment);
  if (unitsOf(amount) === 0n) return NOTHING;
  const ask = { job_id: job.job_id, attempt: job.attempts, claim_id: plan.next.claimId, amount };
  try {
    return { over: await deps.budgets.reserve(job.tenant_id, ask), amount };
  } catch (thrown) {
    giveBack(deps, held, job.job_id);
    throw thrown;
  }
}

const NOTHING = { over: undefined, amount: "0" } as const;

export function takenHere(
  deps: RunDeps,
  deployment: Deployment,
  request: PreparedRequest,
  jobId: string,
): Held | undefined {
  if (deps.quota === undefined) return undefined;
  const { name } = deployment;
  return { deployment: name, taken: deps.quota.take(name, request.tokens, jobId), granted: false };
}

/** What was taken of this instance's own for a call that is not made goes back. */
export function giveBack(deps: RunDeps, held: Held | undefined, jobId: string): void {
  if (held?.granted === false) deps.quota?.giveBack(held.deployment, held.taken, jobId);
}

/** What was taken for a call that is not made after all goes back. */
export async function saveAdmitted(
  deps: RunDeps,
  { plan, held }: Admitted,
  etag: string,
): Promise<SaveResult> {
  let saved: SaveResult | undefined;
  try {
    saved = await save(deps.store, plan.draft, etag, deps.clock.now());
    return saved;
  } finally {
    if (saved?.kind !== "written" && plan.next.kind === "call") {
      giveBack(deps, held, plan.draft.job.job_id);
      // Where the answer was lost the claim may have been made.
      if (saved === undefined) deps.budgets?.leave(plan.next.claimId);
      else await deps.budgets?.settle(plan.next.claimId, null);
    }
  }
}

/** A grant is for one deployment: all others are not to be called for it. */
const NOT_GRANTED_MS = 60_000;

export function circumstances(
  deps: RunDeps,
  tenantId: string,
  request: PreparedRequest,
  told: Told = { granted: undefined, late: false },
): Circumstances {
  const { quota, cooling } = deps;
  const nowMs = deps.clock.now();
  const { tokens } = request;
  const waitsUntilMs = (deployment: string) => {
    if (told.granted === deployment) return undefined;
    if (told.granted !== undefined) return nowMs + NOT_GRANTED_MS;
    return cooling.untilMs(deployment) ?? quota?.waits(deployment, tokens)?.untilMs;
  };
  return {
    dispatch: quota === undefined ? undefined : { ...told, tokens },
    nowMs,
    actor: deps.actor,
    catalogue: deps.catalogue(),
    tenant: deps.tenants().get(tenantId),
    ask: request.ask,
    maxAttempts: deps.maxAttempts,
    leaseSeconds: deps.leaseSeconds,
    nudgeGraceMs: deps.nudgeGraceMs,
    coolingUntilMs: waitsUntilMs,
    latencyMs: (deployment) => deps.latencies.latencyMs(deployment),
    requestSha256: (deployment) => request.sha256For(deployment),
    newClaimId: deps.newClaimId,
    random: deps.random,
  };
}
