import type { Over } from "../budget/account.ts";
import { decimalOf, unitsOf } from "../decimal.ts";
import type { JobErrorCode } from "../errors.ts";
import type { Catalogue, Deployment } from "../model/catalogue.ts";
import { type Choice, chooseDeployment } from "../model/choice.ts";
import type { RequestAsk } from "../model/request-ask.ts";
import type { WaitCause } from "../model/wait-cause.ts";
import { budgetName } from "../tenant/budget.ts";
import type { Tenant } from "../tenant/tenants.ts";
import { end } from "./ending/end.ts";
import type { Ended, InProgress, Job, Queued } from "./job.ts";
import { type Draft, startAttempt, wait } from "./life-cycle.ts";
import type { BudgetWait, QuotaWait } from "./waiting.ts";

/** All that a decision about a job depends on, besides the job: gathered at the edge, so that deciding is pure. */
export interface Circumstances {
  readonly nowMs: number;
  readonly actor: string;
  readonly catalogue: Catalogue;
  /** Undefined: the tenant was taken out. */
  readonly tenant: Tenant | undefined;
  readonly ask: RequestAsk;
  readonly maxAttempts: number;
  /** Attempts that may be lost with their worker. */
  readonly maxLostAttempts: number;
  readonly leaseSeconds: number;
  readonly nudgeGraceMs: number;
  /** Why a call of a deployment must wait; undefined: it may go now. */
  readonly waitCause: (deployment: string) => WaitCause | undefined;
  /** Whether a call of another job ended well there since, as far as this instance knows. */
  readonly hasServedOthers: (deployment: string, jobId: string, sinceMs: number) => boolean;
  /** How long its calls took lately, ms; undefined: not measured. */
  readonly latencyMs: (deployment: string) => number | undefined;
  readonly dispatch: Dispatch;
  /** The tenant's budget has no money for another call; undefined: as far as is known it has. */
  readonly over: Over | undefined;
  /** Money is put aside for each call, which takes asking: the next call is decided on once this is stored. */
  readonly callsAnew: boolean;
  readonly requestSha256: (deployment: Deployment) => string;
  readonly newClaimId: () => string;
  readonly random: () => number;
}

/** How a job stands with the dispatcher. */
export interface Dispatch {
  /** Its turn has come: quota of this deployment was taken for it. */
  readonly granted: string | undefined;
  /** The dispatcher sees that no call could end before its deadline. */
  readonly late: boolean;
  /** What a call would use, as deployments count it. */
  readonly tokens: number;
}

/** A draft to store, and what to do once it is stored; without a record there is nothing to store, but for a call. */
export type Plan =
  | CallPlan
  /** Look again at `atMs`. */
  | { readonly draft: Draft<Queued>; readonly next: "nudge"; readonly atMs: number }
  /** The dispatcher lets it go when its turn comes. */
  | { readonly draft: Draft<Queued>; readonly next: "wait"; readonly deployments: readonly string[] }
  /** It waits until running calls leave money over. */
  | { readonly draft: Draft<Queued>; readonly next: "money" }
  /** This process ends: another one takes it. */
  | { readonly draft: Draft<Queued>; readonly next: "hand_back" }
  /** Decided on anew, as it is stored then. */
  | { readonly draft: Draft<Queued>; readonly next: "again" }
  | { readonly draft: Draft<Queued | Ended>; readonly next: "done" };

export interface CallPlan {
  readonly draft: Draft<InProgress>;
  readonly next: "call";
  readonly deployment: Deployment;
  readonly claimId: string;
}

/** When the sweeper looks after a queued job: some grace after its own nudge is due, or when its time is up. */
export function queuedWakeAtMs(job: Job, dueMs: number, nudgeGraceMs: number): number {
  return Math.min(dueMs + nudgeGraceMs, job.deadline_ms);
}

/** What a queued job does next. */
export function advance(draft: Draft<Queued>, c: Circumstances): Plan {
  const { job } = draft;
  if (c.nowMs >= job.deadline_ms) return expire(draft, c);
  if (isExhausted(job, c)) return exhausted(draft, c);
  const dueMs = Math.max(job.not_before_ms ?? 0, backOffEndMs(job, c));
  if (c.nowMs < dueMs) return { draft, next: "nudge", atMs: dueMs };

  const inLine = job.waiting?.for === "quota" ? job.waiting : undefined;
  const isGranted = c.dispatch.granted !== undefined;
  if (inLine !== undefined && !isGranted && c.dispatch.late && job.deadline_ms - c.nowMs < LATE_AT_MOST_MS)
    return tooLate(draft, c);
  const choice = choose(job, job.tried, c);
  if (job.coalesce !== undefined && needsOperator(choice, c)) return unserved(draft, c, choice.reason);
  const goes = isGranted && choice.kind === "call";
  if (inLine !== undefined && !goes && isOfLine(choice, inLine))
    return stay({ draft, next: "wait", deployments: inLine.deployments }, c, inLine.revision);
  if (c.over !== undefined && costs(choice)) return overBudget(draft, c, c.over);
  switch (choice.kind) {
    case "call":
      return call(draft, c, choice.deployment, choice.reason);
    case "wait":
      return choice.cause === "switched_off"
        ? switchedOff(draft, c, choice.reason)
        : waitForQuota(draft, c, choice);
    case "none":
      return noneLeft(draft, c, choice);
  }
}

function noneLeft(
  draft: Draft<Queued>,
  c: Circumstances,
  choice: Extract<Choice, { kind: "none" }> | TenantGone,
): Plan {
  if (choice.reason === "too_dear") return tooDear(draft, c, choice.passedOver);
  return choice.reason === "all_refused" ? turnedAway(draft, c) : withdrawn(draft, c, choice.detail);
}

function isExhausted(job: Job, c: Pick<Circumstances, "maxAttempts" | "maxLostAttempts">): boolean {
  return job.attempts_spent >= c.maxAttempts || (job.attempts_lost ?? 0) >= c.maxLostAttempts;
}

/** When it need not wait by itself any more. The deployment's next probe may be it, whatever it waits for. */
function backOffEndMs({ waiting }: Queued, { dispatch }: Circumstances): number {
  if (waiting?.for === "time") return waiting.until_ms;
  return waiting?.for === "deployment" && dispatch.granted === undefined ? waiting.until_ms : 0;
}

/** Whether the job would go where it waits already: no nudge but the dispatcher's gets it past the others there. */
function isOfLine(choice: Choice | TenantGone, { deployments }: QuotaWait): boolean {
  if (choice.kind === "call") return deployments.includes(choice.deployment.name);
  if (choice.kind !== "wait" || choice.cause === "switched_off") return false;
  const same = choice.deployments.length === deployments.length;
  return same && choice.deployments.every(({ name }) => deployments.includes(name));
}

/** An instance hears of what operators change within so long. */
const CHANGE_HEARD_MS = 2_000;

/**
 * The job waits on; nothing is written.
 * @param revision of the catalogue under which it is known to wait: where this instance's is older, it looks again
 */
function stay(plan: Plan & { readonly draft: Draft<Queued> }, c: Circumstances, revision = 0): Plan {
  if (revision <= c.catalogue.revision) return plan;
  return { draft: plan.draft, next: "nudge", atMs: c.nowMs + CHANGE_HEARD_MS };
}

/** Which deployment a job goes to next, were the deployments in `tried` the ones that failed since the last back-off. */
export function choose(job: Job, tried: readonly string[], c: Circumstances): Choice | TenantGone {
  const { tenant } = c;
  if (tenant === undefined)
    return { kind: "none", reason: "tenant_gone", detail: "the tenant was taken out" };
  return chooseDeployment({
    model: c.catalogue.model(job.model),
    ask: c.ask,
    tenant,
    refusedBy: job.refused_by,
    tried,
    waitCause: c.waitCause,
    costLeft: costLeftOf(job),
    nowMs: c.nowMs,
    latencyMs: c.latencyMs,
    // The number that the attempt will have: the same draw however often the job is looked at before.
    seed: `${job.job_id}/${job.attempts + 1}`,
  });
}

/** What a job's next attempt may cost; undefined: whatever. */
function costLeftOf({ max_cost, cost, may_have_cost }: Job): bigint | undefined {
  if (max_cost === undefined) return undefined;
  const spent = [cost?.amount ?? "0", ...Object.values(may_have_cost ?? {})];
  return spent.reduce((left, amount) => left - unitsOf(amount), unitsOf(max_cost));
}

type QuotaChoice = Extract<Choice, { kind: "wait"; deployments: unknown }>;

interface TenantGone {
  readonly kind: "none";
  readonly reason: "tenant_gone";
  readonly detail: string;
}

/** What only an operator can cure, or the lab's bill being paid. */
export function isForOperator(cause: WaitCause): boolean {
  return cause === "credential_refused" || cause === "account_empty";
}

/** Whether all that could serve it waits for an operator. */
function needsOperator(
  choice: Choice | TenantGone,
  c: Circumstances,
): choice is Extract<Choice, { kind: "wait" }> {
  if (choice.kind !== "wait") return false;
  if (choice.cause === "switched_off") return true;
  return choice.deployments.every(({ name }) => isForOperator(c.waitCause(name) ?? "quota"));
}

/** Whether it leads to a call that costs something. */
function costs(choice: Choice | TenantGone): boolean {
  if (choice.kind === "call") return hasPrice(choice.deployment);
  return choice.kind === "wait" && choice.cause !== "switched_off" && choice.deployments.every(hasPrice);
}

export function hasPrice({ price }: Pick<Deployment, "price">): boolean {
  return price.input_per_million > 0 || price.output_per_million > 0;
}

function call(draft: Draft<Queued>, c: Circumstances, deployment: Deployment, reason: string | null): Plan {
  if (c.callsAnew && hasPrice(deployment)) return { draft, next: "again" };
  const claimId = c.newClaimId();
  const started = startAttempt(draft, {
    claimId,
    deployment,
    requestSha256: c.requestSha256(deployment),
    leaseSeconds: c.leaseSeconds,
    nowMs: c.nowMs,
    actor: c.actor,
    reason,
    reserved: c.tenant?.budget !== undefined,
  });
  return { draft: started, next: "call", deployment, claimId };
}

/** The sweeper's net for a job that the dispatcher looks after: its turn is not for the sweeper to say. */
const LINE_NET_MS = 600_000;
/** A job is called late no longer before its deadline: the dispatcher looks at those whose deadline is near. */
const LATE_AT_MOST_MS = 60_000;

function waitForQuota(draft: Draft<Queued>, c: Circumstances, choice: QuotaChoice): Plan {
  const deployments = choice.deployments.map(({ name }) => name);
  const waiting: QuotaWait = {
    ...{ for: "quota", cause: choice.cause, since_ms: c.nowMs, deployments },
    ...{ tokens: c.dispatch.tokens, revision: c.catalogue.revision },
  };
  const wakeAtMs = queuedWakeAtMs(draft.job, c.nowMs, LINE_NET_MS);
  const { reason } = choice;
  return { draft: wait(draft, { ...by(c), waiting, reason, wakeAtMs }), next: "wait", deployments };
}

/**
 * Waits for an operator, who names no time: no nudge is scheduled. The sweeper looks at the job now and then, ever
 * more rarely, and at once when the switches change.
 */
function switchedOff(draft: Draft<Queued>, c: Circumstances, reason: string): Plan {
  const { job } = draft;
  if (job.waiting?.for === "switch" && draft.records.length === 0)
    return stay({ draft, next: "done" }, c, job.waiting.revision);
  const waiting = { for: "switch", revision: c.catalogue.revision, since_ms: c.nowMs } as const;
  const wakeAtMs = queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs);
  return { draft: wait(draft, { ...by(c), waiting, reason, wakeAtMs }), next: "done" };
}

/** Waits for the next period, or for calls that still run and may leave money over. */
function overBudget(draft: Draft<Queued>, c: Circumstances, over: Over): Plan {
  const { job } = draft;
  const { untilMs } = over;
  if (job.coalesce !== undefined && untilMs !== null)
    return ended(
      draft,
      c,
      "failed",
      "budget_used_up",
      `The budget of ${job.tenant_id} is spent: ${over.reason}.`,
    );
  const next = untilMs === null ? "money" : "done";
  const waiting: BudgetWait = {
    ...{ for: "budget", revision: c.catalogue.revision, until_ms: untilMs, since_ms: c.nowMs },
    budget: budgetName(job.tenant_id, c.tenant?.budget),
  };
  const { waiting: before } = job;
  const same =
    before?.for === "budget" && before.budget === waiting.budget && before.until_ms === waiting.until_ms;
  if (same && draft.records.length === 0) return { draft, next };
  const wakeAtMs =
    untilMs === null
      ? queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs)
      : Math.max(Math.min(untilMs, job.deadline_ms), c.nowMs);
  return { draft: wait(draft, { ...by(c), waiting, reason: over.reason, wakeAtMs }), next };
}

function by({ nowMs, actor }: Circumstances): { nowMs: number; actor: string } {
  return { nowMs, actor };
}

function ended(
  draft: Draft<Queued>,
  c: Circumstances,
  status: "expired" | "failed",
  code: JobErrorCode,
  message: string,
): Plan {
  const final = end(draft, { status, nowMs: c.nowMs, actor: c.actor, error: { code, message } });
  return { draft: final, next: "done" };
}

function expire(draft: Draft<Queued>, c: Circumstances): Plan {
  const waited = draft.job.attempts === 0 ? "before an attempt could start" : "before an attempt succeeded";
  return ended(draft, c, "expired", "deadline_exceeded", `The deadline passed ${waited}.`);
}

function tooLate(draft: Draft<Queued>, c: Circumstances): Plan {
  const message = "No call could have ended before the deadline any more: its turn came too late.";
  return ended(draft, c, "expired", "deadline_exceeded", message);
}

function exhausted(draft: Draft<Queued>, c: Circumstances): Plan {
  const last = draft.job.last_failure ?? "no attempt said why";
  const { attempts_spent: spent, attempts_lost: lost = 0 } = draft.job;
  const how = spent >= c.maxAttempts ? `${spent} attempts failed` : `${lost} attempts were lost`;
  const message = `${how}; the last one: ${last}`;
  return ended(draft, c, "failed", "attempts_exhausted", message);
}

function turnedAway(draft: Draft<Queued>, c: Circumstances): Plan {
  const last = draft.job.last_failure ?? "no deployment said why";
  const message = `Every deployment of ${draft.job.model} turned the job away; the last one: ${last}`;
  return ended(draft, c, "failed", "no_deployment_available", message);
}

function tooDear(draft: Draft<Queued>, c: Circumstances, why: string): Plan {
  const { max_cost } = draft.job;
  const left = decimalOf(costLeftOf(draft.job) ?? 0n);
  const message = `${left} of the max_cost ${max_cost} is left, and another attempt may cost more: ${why}.`;
  return ended(draft, c, "failed", "max_cost_reached", message);
}

/** Its client waits on its connection, and what it waits for comes in minutes or days: better told at once. */
export function unserved(draft: Draft<Queued>, c: Circumstances, why: string): Plan {
  const message = `${draft.job.model} can be called only once an operator has seen to it: ${why}.`;
  return ended(draft, c, "failed", "no_deployment_available", message);
}

function withdrawn(draft: Draft<Queued>, c: Circumstances, why: string): Plan {
  const message = `${draft.job.model} can no longer be called for this job: ${why}.`;
  return ended(draft, c, "failed", "model_withdrawn", message);
}
