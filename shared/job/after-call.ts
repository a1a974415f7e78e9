import { NOTHING_SPENT, type Spent } from "../budget/account.ts";
import type { JobErrorCode } from "../errors.ts";
import { MAX_RETRY_AFTER_SECONDS } from "../limits.ts";
import { billOfCall, mostCostOf } from "../model/bill.ts";
import type { Deployment } from "../model/catalogue.ts";
import {
  backOffMs,
  billedOf,
  illnessOf,
  isPerhapsTheJobs,
  type Outcome,
  type Retry,
  spentBackOffMs,
  type TurnedAway,
} from "../model/outcome.ts";
import type { RequestAsk } from "../model/request-ask.ts";
import { type Illness, isIllness } from "../model/wait-cause.ts";
import {
  advance,
  type Circumstances,
  choose,
  isForOperator,
  type Plan,
  queuedWakeAtMs,
  unserved,
} from "./advance.ts";
import { end } from "./ending/end.ts";
import type { InProgress, Job, Setbacks, StoredResponse } from "./job.ts";
import { type CallFacts, draftOf, failAttempt } from "./life-cycle.ts";
import { INSTANCE_ENDING } from "./running-jobs.ts";

/** A call that ended while the attempt still holds the job. */
export interface EndedCall {
  readonly outcome: Outcome;
  readonly deployment: Deployment;
  readonly ask: RequestAsk;
  readonly latencyMs: number;
}

/** What a call spends of its tenant's budget. */
export function spentIn({ outcome, deployment, ask }: EndedCall): Spent {
  const bill = billOfCall(outcome, deployment.price);
  if (bill === undefined) return NOTHING_SPENT;
  if ("unknown" in bill) return { cost: null };
  const output = "usage" in outcome ? (outcome.usage?.output_tokens ?? null) : null;
  const answerTokens =
    output === null ? {} : { answerTokens: Math.ceil(output / Math.max(1, ask.tokens.answers)) };
  return { cost: bill.cost.amount, ...answerTokens };
}

/** What a call's record says of it: its tokens, what they cost, the lab's words and the answer's hash. */
export function callFacts({ outcome, deployment, ask, latencyMs }: EndedCall): CallFacts {
  const bill = billOfCall(outcome, deployment.price) ?? { cost: null, free: true as const };
  const unknown = () => ({ cost: null, mayHaveCost: mostCostOf(ask, deployment).amount });
  return {
    outcome: outcome.kind,
    usage: "usage" in outcome ? outcome.usage : null,
    ...("cost" in bill ? bill : { ...unknown(), costUnknown: bill.unknown }),
    ...(outcome.labCost === undefined ? {} : { labCost: outcome.labCost }),
    ...("message" in outcome ? { message: outcome.trailMessage ?? outcome.message } : {}),
    latencyMs,
    responseSha256: outcome.responseSha256 ?? null,
  };
}

/** What the call's outcome means for the job: it ends, goes to another deployment, or waits. Pure. */
export function afterCall(job: InProgress, call: EndedCall, c: Circumstances): Plan {
  const { outcome } = call;
  const illness = illnessOf(outcome);
  if (illness !== undefined) return setBack(job, call, c, illness);
  switch (outcome.kind) {
    case "completed":
      return completed(job, call, c, outcome);
    case "invalid":
      return retry(job, call, c, { reason: "invalid_answer", message: outcome.message, retryAfterMs: null });
    case "rejected":
      return rejected(job, call, c, outcome);
    case "too_large":
      return failed(job, call, c, "response_too_large", `The answer is over ${outcome.bytes} bytes.`);
    case "broken_off":
      return failed(job, call, c, "answer_broken_off", outcome.message);
    case "turned_away":
      return tryAnother(job, call, c, outcome);
    case "retry":
      return retry(job, call, c, outcome);
    case "rate_limited":
      return rateLimited(job, call, c, outcome);
    case "aborted":
      return aborted(job, call, c, outcome.reason);
  }
}

function failed(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  code: JobErrorCode,
  message: string,
  response?: StoredResponse,
): Plan {
  const draft = end(draftOf(job), {
    status: "failed",
    nowMs: c.nowMs,
    actor: c.actor,
    call: callFacts(call),
    error: { code, message },
    ...(response === undefined ? {} : { response }),
  });
  return { draft, next: "done" };
}

function responseOf(
  answer: { readonly statusCode: number; readonly requestId: string | null },
  body: string,
): StoredResponse {
  return { status_code: answer.statusCode, request_id: answer.requestId, body };
}

function completed(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  outcome: Extract<Outcome, { kind: "completed" }>,
): Plan {
  const draft = end(draftOf(job), {
    status: "completed",
    nowMs: c.nowMs,
    actor: c.actor,
    call: callFacts(call),
    response: responseOf(outcome, outcome.body),
    ...(outcome.incomplete === undefined ? {} : { incomplete: outcome.incomplete }),
    ...(outcome.validation === undefined ? {} : { validation: outcome.validation }),
  });
  return { draft, next: "done" };
}

function rejected(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  outcome: Extract<Outcome, { kind: "rejected" }>,
): Plan {
  const response = outcome.body === null ? undefined : responseOf(outcome, outcome.body);
  return failed(job, call, c, outcome.code, outcome.message, response);
}

/** This deployment will not do, at once to the next; where there is none, it may be the request's own fault after all. */
function tryAnother(job: InProgress, call: EndedCall, c: Circumstances, outcome: TurnedAway): Plan {
  const refusedBy = [...job.refused_by, call.deployment.name];
  const { otherwise } = outcome;
  if (otherwise !== undefined && choose({ ...job, refused_by: refusedBy }, job.tried, c).kind === "none")
    return rejected(job, call, c, otherwise);
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: outcome.cause,
    failure: `${call.deployment.name}: ${outcome.message}`,
    retryAtMs: null,
    wakeAtMs: queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs),
    spent: spends(outcome),
    refusedBy,
  });
  return advance(draft, c);
}

/** What was certainly not billed spends no attempt. */
const spends = (outcome: Outcome) => billedOf(outcome) !== "no";

/**
 * The deployment is ill, and the call was not billed: at once to a deployment not yet tried, else the job waits by
 * itself, ever longer, and no attempt is spent. Where the deployment served others meanwhile and this job alone fails,
 * that is the job's own doing, and it spends one. docs/reliability.md has the table.
 */
function setBack(job: InProgress, call: EndedCall, c: Circumstances, illness: Illness): Plan {
  const { outcome, deployment } = call;
  const { job_id, lease, setbacks: before } = job;
  const first: Setbacks = { pauses: 0, since_ms: c.nowMs, last_ms: lease.started_at_ms };
  const setbacks = before === undefined || before.refused === true ? first : before;
  const isOwn = isPerhapsTheJobs(outcome) && c.hasServedOthers(deployment.name, job_id, setbacks.last_ms);
  const tried = [...job.tried, deployment.name];
  const another = hasUntried(job, tried, c);
  const pauses = setbacks.pauses + (another ? 0 : 1);
  const isFirst = setbacks.pauses === 0 && job.tried.length === 0;
  const needs_operator = isForOperator(illness) && (isFirst || setbacks.needs_operator === true);
  const asked = "retryAfterMs" in outcome ? outcome.retryAfterMs : null;
  const pauseMs = isOwn ? spentBackOffMs(job.attempts_spent, c.random) : backOffMs(pauses, c.random);
  const retryAtMs = another ? null : Math.ceil(c.nowMs + Math.max(pauseMs, boundedWaitMs(asked ?? 0)));
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: reasonOf(outcome),
    failure: `${deployment.name}: ${"message" in outcome ? outcome.message : outcome.kind}`,
    retryAtMs,
    wakeAtMs: queuedWakeAtMs(job, retryAtMs ?? c.nowMs, c.nudgeGraceMs),
    spent: isOwn,
    illness,
    setbacks: { ...setbacks, pauses, last_ms: c.nowMs, needs_operator },
    tried: another ? tried : [],
  });
  if (job.coalesce !== undefined && needs_operator && !another) return unserved(draft, c, illness);
  return advance(draft, c);
}

function reasonOf(outcome: Outcome): string {
  if (outcome.kind === "retry") return outcome.reason;
  return "cause" in outcome ? outcome.cause : outcome.kind;
}

/** A passing fault of a call that may be billed: at once to a deployment not yet tried, else after a back-off. */
function retry(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  { reason, message, retryAfterMs }: Pick<Retry, "reason" | "message" | "retryAfterMs">,
): Plan {
  const tried = [...job.tried, call.deployment.name];
  const another = hasUntried(job, tried, c);
  const waitMs = Math.max(spentBackOffMs(job.attempts_spent, c.random), boundedWaitMs(retryAfterMs ?? 0));
  const retryAtMs = another ? null : Math.ceil(c.nowMs + waitMs);
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason,
    failure: `${call.deployment.name}: ${message}`,
    retryAtMs,
    wakeAtMs: queuedWakeAtMs(job, retryAtMs ?? c.nowMs, c.nudgeGraceMs),
    spent: true,
    tried: another ? tried : [],
  });
  return advance(draft, c);
}

function boundedWaitMs(ms: number): number {
  return Math.min(ms, MAX_RETRY_AFTER_SECONDS * 1000);
}

function hasUntried(job: Job, tried: readonly string[], c: Circumstances): boolean {
  const choice = choose(job, tried, c);
  if (choice.kind === "call") return !tried.includes(choice.deployment.name);
  // It waits for the quota of another: the dispatcher lets it go there. One that is ill may be so for longer.
  if (choice.kind !== "wait" || choice.cause === "switched_off" || isIllness(choice.cause)) return false;
  return choice.deployments.some(({ name }) => !tried.includes(name));
}

/**
 * Since when it matters that others were served there: a job that failed or was refused before, and again, may be alone
 * in that. Undefined: it does not matter.
 */
export function lastSetbackMs({ setbacks }: Job, outcome: Outcome): number | undefined {
  const isAgain = setbacks?.refused === true ? outcome.kind === "rate_limited" : isPerhapsTheJobs(outcome);
  return isAgain ? setbacks?.last_ms : undefined;
}

/** Refused again though others went through meanwhile: that says nothing of the deployment. */
export function isRefusedAlone(
  { job_id, setbacks }: Job,
  { outcome, deployment }: EndedCall,
  hasServedOthers: Circumstances["hasServedOthers"],
): boolean {
  if (outcome.kind !== "rate_limited" || setbacks?.refused !== true) return false;
  return hasServedOthers(deployment.name, job_id, setbacks.last_ms);
}

/**
 * 429: another target, or wait in line, for quota knows by now that the deployment is to be left alone. A job that is
 * alone in being refused waits by itself, longer each time. No attempt is spent.
 */
function rateLimited(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  { message, retryAfterMs }: Extract<Outcome, { kind: "rate_limited" }>,
): Plan {
  const isAlone = isRefusedAlone(job, call, c.hasServedOthers);
  const { pauses = 0, since_ms = c.nowMs } = job.setbacks?.refused === true ? job.setbacks : {};
  const askedMs = boundedWaitMs((retryAfterMs ?? 0) * 2 ** pauses);
  const waits = isAlone && !hasUntried(job, [...job.tried, call.deployment.name], c);
  const retryAtMs = waits ? Math.ceil(c.nowMs + Math.max(backOffMs(pauses + 1, c.random), askedMs)) : null;
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: "rate_limited",
    failure: `${call.deployment.name}: ${message}`,
    retryAtMs,
    wakeAtMs: queuedWakeAtMs(job, retryAtMs ?? c.nowMs, c.nudgeGraceMs),
    spent: false,
    setbacks: { pauses: pauses + (isAlone ? 1 : 0), since_ms, last_ms: c.nowMs, refused: true },
  });
  return advance(draft, c);
}

/** Why a call is aborted when an operator switches its deployment off. */
export const SWITCHED_OFF = "switched_off";

/** Not the job's fault: no attempt is spent, and it waits or goes on as the switch says. */
function switchedOff(job: InProgress, call: EndedCall, c: Circumstances): Plan {
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: SWITCHED_OFF,
    failure: `${call.deployment.name}: it was switched off during the call`,
    retryAtMs: null,
    wakeAtMs: queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs),
    spent: false,
  });
  return advance(draft, c);
}

/** Its process was told to end: no attempt is spent, and another process goes on. */
function handedBack(job: InProgress, call: EndedCall, c: Circumstances): Plan {
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: INSTANCE_ENDING,
    failure: `${call.deployment.name}: the instance was told to end during the call`,
    retryAtMs: null,
    wakeAtMs: queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs),
    spent: false,
  });
  return { draft, next: "hand_back" };
}

function aborted(job: InProgress, call: EndedCall, c: Circumstances, reason: string): Plan {
  // The timer that aborts at the deadline may be a moment early by the clock.
  if (reason === "deadline" || c.nowMs >= job.deadline_ms) {
    const draft = end(draftOf(job), {
      status: "expired",
      nowMs: c.nowMs,
      actor: c.actor,
      call: callFacts(call),
      error: { code: "deadline_exceeded", message: "The deadline passed during a call, which was aborted." },
    });
    return { draft, next: "done" };
  }
  if (reason === SWITCHED_OFF) return switchedOff(job, call, c);
  if (reason === INSTANCE_ENDING) return handedBack(job, call, c);
  return retry(job, call, c, { reason, message: `the call was aborted (${reason})`, retryAfterMs: null });
}
