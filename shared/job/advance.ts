import type { Over } from "../budget/account.ts";
import type { JobErrorCode } from "../errors.ts";
import type { Catalogue, Deployment } from "../model/catalogue.ts";
import { type Choice, chooseDeployment } from "../model/choice.ts";
import type { RequestAsk } from "../model/request-ask.ts";
import { lineSinceMs, placeOf } from "../quota/turns/line.ts";
import { budgetName } from "../tenant/budget.ts";
import type { Tenant } from "../tenant/tenants.ts";
import type { Hold, Job } from "./job.ts";
import { type Draft, end, holdJob, parkForQuota, startAttempt } from "./life-cycle.ts";

/** All that a decision about a job depends on, besides the job: gathered at the edge, so that deciding is pure. */
export interface Circumstances {
  readonly nowMs: number;
  readonly actor: string;
  readonly catalogue: Catalogue;
  /** Undefined: the tenant was taken out. */
  readonly tenant: Tenant | undefined;
  readonly ask: RequestAsk;
  readonly maxAttempts: number;
  readonly leaseSeconds: number;
  readonly nudgeGraceMs: number;
  /** Until when a call of a deployment must wait; undefined: it may go now. */
  readonly waitsUntilMs: (deployment: string) => number | undefined;
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

/** A draft to store, and what to do once it is stored. */
export interface Plan {
  readonly draft: Draft;
  readonly next:
    | { readonly kind: "call"; readonly deployment: Deployment; readonly claimId: string }
    /** Look again at `atMs`; nothing to store if the draft holds no record. */
    | { readonly kind: "nudge"; readonly atMs: number }
    /** The dispatcher lets it go when its turn comes; nothing to store if the draft holds no record. */
    | { readonly kind: "wait"; readonly deployments: readonly string[] }
    /** Held until running calls leave money over; nothing to store if the draft holds no record. */
    | { readonly kind: "money" }
    /** Decided on anew, as it is stored then. */
    | { readonly kind: "again" }
    | { readonly kind: "done" };
}

/** When the sweeper looks after a queued job: some grace after its own nudge is due, or when its time is up. */
export function queuedWakeAtMs(job: Job, dueMs: number, nudgeGraceMs: number): number {
  return Math.min(dueMs + nudgeGraceMs, job.deadline_ms);
}

/** What a queued job does next. */
export function advance(draft: Draft, c: Circumstances): Plan {
  const { job } = draft;
  if (c.nowMs >= job.deadline_ms) return expire(draft, c);
  const dueMs = Math.max(job.not_before_ms ?? 0, job.retry_at_ms ?? 0);
  if (c.nowMs < dueMs) return { draft, next: { kind: "nudge", atMs: dueMs } };
  if (job.attempts_spent >= c.maxAttempts) return exhausted(draft, c);

  if (job.parked !== undefined && c.dispatch.granted === undefined) {
    if (c.dispatch.late && job.deadline_ms - c.nowMs < LATE_AT_MOST_MS) return tooLate(draft, c);
    // In its line already: no nudge but the dispatcher's gets it past the others.
    return { draft, next: { kind: "wait", deployments: job.parked.deployments } };
  }
  const choice = choose(job, job.tried, c);
  if (c.over !== undefined && costs(choice)) return overBudget(draft, c, c.over);
  switch (choice.kind) {
    case "call":
      return call(draft, c, choice.deployment, choice.reason);
    case "wait":
      return choice.cause === "switched_off"
        ? switchedOff(draft, c, choice.reason)
        : waitForQuota(draft, c, choice);
    case "none":
      return choice.reason === "all_refused" ? turnedAway(draft, c) : withdrawn(draft, c, choice.detail);
  }
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
    coolingUntilMs: c.waitsUntilMs,
    latencyMs: c.latencyMs,
    // The number that the attempt will have: the same draw however often the job is looked at before.
    seed: `${job.job_id}/${job.attempts + 1}`,
    nowMs: c.nowMs,
  });
}

interface TenantGone {
  readonly kind: "none";
  readonly reason: "tenant_gone";
  readonly detail: string;
}

/** Whether it leads to a call that costs something. */
function costs(choice: Choice | TenantGone): boolean {
  if (choice.kind === "call") return hasPrice(choice.deployment);
  return choice.kind === "wait" && choice.cause === "rate_limited" && choice.deployments.every(hasPrice);
}

export function hasPrice({ price }: Pick<Deployment, "price">): boolean {
  return price.input_per_million > 0 || price.output_per_million > 0;
}

function call(draft: Draft, c: Circumstances, deployment: Deployment, reason: string | null): Plan {
  if (c.callsAnew && hasPrice(deployment)) return { draft, next: { kind: "again" } };
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
  return { draft: started, next: { kind: "call", deployment, claimId } };
}

/** The sweeper's net for a job that the dispatcher looks after: its turn is not for the sweeper to say. */
const PARKED_NET_MS = 600_000;
/** A job is called late no longer before its deadline: the dispatcher looks at those whose deadline is near. */
const LATE_AT_MOST_MS = 60_000;

function waitForQuota(
  draft: Draft,
  c: Circumstances,
  choice: Extract<Choice, { cause: "rate_limited" }>,
): Plan {
  const deployments = choice.deployments.map(({ name }) => name);
  const { job } = draft;
  const place = placeOf({ ...job, deployments, since_ms: lineSinceMs(job) });
  const parked = parkForQuota(draft, {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: choice.reason,
    parked: { tokens: c.dispatch.tokens, deployments, place, deadline_ms: job.deadline_ms },
    wakeAtMs: queuedWakeAtMs(job, c.nowMs, PARKED_NET_MS),
  });
  return { draft: parked, next: { kind: "wait", deployments } };
}

/**
 * Waits for an operator, who names no time: no nudge is scheduled. The sweeper looks at the job now and then, ever
 * more rarely, and at once when the switches change.
 */
function switchedOff(draft: Draft, c: Circumstances, reason: string): Plan {
  const { job } = draft;
  if (job.held?.cause === "switched_off" && draft.records.length === 0)
    return { draft, next: { kind: "done" } };
  const held: Hold = { cause: "switched_off", revision: c.catalogue.revision };
  const wakeAtMs = queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs);
  return { draft: holdJob(draft, { ...by(c), held, reason, wakeAtMs }), next: { kind: "done" } };
}

/** Waits for the next period, or for calls that still run and may leave money over. */
function overBudget(draft: Draft, c: Circumstances, over: Over): Plan {
  const { job } = draft;
  const { untilMs } = over;
  const next = { kind: untilMs === null ? "money" : "done" } as const;
  const held: Hold = {
    cause: "over_budget",
    revision: c.catalogue.revision,
    budget: budgetName(job.tenant_id, c.tenant?.budget),
    ...(untilMs === null ? {} : { until_ms: untilMs }),
  };
  const { held: before } = job;
  const same =
    before?.cause === held.cause && before.budget === held.budget && before.until_ms === held.until_ms;
  if (same && draft.records.length === 0) return { draft, next };
  const wakeAtMs =
    untilMs === null
      ? queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs)
      : Math.max(Math.min(untilMs, job.deadline_ms), c.nowMs);
  return { draft: holdJob(draft, { ...by(c), held, reason: over.reason, wakeAtMs }), next };
}

function by({ nowMs, actor }: Circumstances): { nowMs: number; actor: string } {
  return { nowMs, actor };
}

function ended(
  draft: Draft,
  c: Circumstances,
  status: "expired" | "failed",
  code: JobErrorCode,
  message: string,
): Plan {
  const final = end(draft, { status, nowMs: c.nowMs, actor: c.actor, error: { code, message } });
  return { draft: final, next: { kind: "done" } };
}

function expire(draft: Draft, c: Circumstances): Plan {
  const waited = draft.job.attempts === 0 ? "before an attempt could start" : "before an attempt succeeded";
  return ended(draft, c, "expired", "deadline_exceeded", `The deadline passed ${waited}.`);
}

function tooLate(draft: Draft, c: Circumstances): Plan {
  const message = "No call could have ended before the deadline any more: its turn came too late.";
  return ended(draft, c, "expired", "deadline_exceeded", message);
}

function exhausted(draft: Draft, c: Circumstances): Plan {
  const last = draft.job.last_failure ?? "no attempt said why";
  const message = `${draft.job.attempts_spent} attempts failed; the last one: ${last}`;
  return ended(draft, c, "failed", "attempts_exhausted", message);
}

function turnedAway(draft: Draft, c: Circumstances): Plan {
  const last = draft.job.last_failure ?? "no deployment said why";
  const message = `Every deployment of ${draft.job.model} turned the job away; the last one: ${last}`;
  return ended(draft, c, "failed", "no_deployment_available", message);
}

function withdrawn(draft: Draft, c: Circumstances, why: string): Plan {
  const message = `${draft.job.model} can no longer be called for this job: ${why}.`;
  return ended(draft, c, "failed", "model_withdrawn", message);
}
