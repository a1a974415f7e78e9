import type { JobErrorCode } from "../errors.ts";
import { MAX_RETRY_AFTER_SECONDS, MAX_STORED_CONTENT_BYTES } from "../limits.ts";
import type { Deployment } from "../model/catalogue.ts";
import { type Cost, costOf } from "../model/cost.ts";
import { backOffMs, type Outcome } from "../model/outcome.ts";
import type { Usage } from "../model/usage.ts";
import { sha256Hex } from "../sha256.ts";
import { STORED_VERSION } from "../store.ts";
import { advance, type Circumstances, choose, type Plan, queuedWakeAtMs } from "./advance.ts";
import { end } from "./ending/end.ts";
import type { InProgress, Job, StoredResponse } from "./job.ts";
import { type CallFacts, draftOf, failAttempt } from "./life-cycle.ts";

/** A call that ended while the attempt still holds the job. */
export interface EndedCall {
  readonly outcome: Outcome;
  readonly deployment: Deployment;
  readonly latencyMs: number;
}

/** What a call cost, where its answer reports what it used. */
export function costOfCall({ outcome, deployment }: EndedCall): Cost | null {
  const usage = "usage" in outcome ? outcome.usage : null;
  return usage === null ? null : costOf(usage, deployment.price);
}

/** What a call's record says of it: its tokens, what they cost, and the answer's hash. */
export function callFacts(call: EndedCall): CallFacts {
  const { outcome } = call;
  const usage: Usage | null = "usage" in outcome ? outcome.usage : null;
  const body = "body" in outcome ? outcome.body : null;
  return {
    outcome: outcome.kind,
    usage,
    cost: costOfCall(call),
    latencyMs: call.latencyMs,
    responseSha256: body === null ? null : sha256Hex(body),
  };
}

/** What the call's outcome means for the job: it ends, goes to another deployment, or waits. Pure. */
export function afterCall(job: InProgress, call: EndedCall, c: Circumstances): Plan {
  const { outcome } = call;
  switch (outcome.kind) {
    case "completed":
      return completed(job, call, c, outcome);
    case "rejected":
      return rejected(job, call, c, outcome);
    case "too_large":
      return failed(job, call, c, "response_too_large", `The answer is over ${outcome.bytes} bytes.`);
    case "turned_away":
      return tryAnother(job, call, c, outcome.message);
    case "retry":
      return retry(job, call, c, outcome.reason, outcome.message, outcome.retryAfterMs);
    case "rate_limited":
      return rateLimited(job, call, c, outcome.message);
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

function storedResponse(
  job: Job,
  answer: { statusCode: number; requestId: string | null },
  body: string,
): StoredResponse | undefined {
  const response: StoredResponse = {
    v: STORED_VERSION,
    kind: "response",
    tenant_id: job.tenant_id,
    job_id: job.job_id,
    status_code: answer.statusCode,
    request_id: answer.requestId,
    body,
  };
  return fits(body) ? response : undefined;
}

/** Measured as it will be stored: a string inside JSON, where a quote or a line break takes two bytes or more. */
function fits(body: string): boolean {
  const most = body.length * 6; // the worst case, "\\u0000" for each character
  return (
    most <= MAX_STORED_CONTENT_BYTES || Buffer.byteLength(JSON.stringify(body)) <= MAX_STORED_CONTENT_BYTES
  );
}

function completed(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  outcome: Extract<Outcome, { kind: "completed" }>,
): Plan {
  const response = storedResponse(job, outcome, outcome.body);
  if (response === undefined) {
    const bytes = Buffer.byteLength(outcome.body);
    return failed(
      job,
      call,
      c,
      "response_too_large",
      `The answer has ${bytes} bytes, more than can be stored.`,
    );
  }
  const draft = end(draftOf(job), {
    status: "completed",
    nowMs: c.nowMs,
    actor: c.actor,
    call: callFacts(call),
    response,
  });
  return { draft, next: "done" };
}

function rejected(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  outcome: Extract<Outcome, { kind: "rejected" }>,
): Plan {
  const response = outcome.body === null ? undefined : storedResponse(job, outcome, outcome.body);
  return failed(job, call, c, outcome.code, outcome.message, response);
}

/** 401, 403, 404: this deployment will not do, at once to the next. */
function tryAnother(job: InProgress, call: EndedCall, c: Circumstances, message: string): Plan {
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: "turned_away",
    failure: `${call.deployment.name}: ${message}`,
    retryAtMs: null,
    wakeAtMs: queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs),
    spent: true,
    refusedBy: [...job.refused_by, call.deployment.name],
  });
  return advance(draft, c);
}

/** A passing fault: at once to a deployment not yet tried, else again after a back-off. */
function retry(
  job: InProgress,
  call: EndedCall,
  c: Circumstances,
  reason: string,
  message: string,
  retryAfterMs: number | null,
): Plan {
  const tried = [...job.tried, call.deployment.name];
  const another = hasUntried(job, tried, c);
  const waitMs = Math.max(backOffMs(job.attempts_spent, c.random), boundedWaitMs(retryAfterMs ?? 0));
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
  // An exhausted job ends now, not after a back-off that nobody will use.
  const last = draft.job.attempts_spent >= c.maxAttempts;
  return advance(last ? { ...draft, job: { ...draft.job, waiting: null } } : draft, c);
}

function boundedWaitMs(ms: number): number {
  return Math.min(ms, MAX_RETRY_AFTER_SECONDS * 1000);
}

function hasUntried(job: Job, tried: readonly string[], c: Circumstances): boolean {
  const choice = choose(job, tried, c);
  if (choice.kind === "call") return !tried.includes(choice.deployment.name);
  // It waits for the quota of another: the dispatcher lets it go there.
  const waits = choice.kind === "wait" && choice.cause !== "switched_off";
  return waits && choice.deployments.some(({ name }) => !tried.includes(name));
}

/** 429: quota knows by now that the deployment is to be left alone; another target, or wait, and no attempt is spent. */
function rateLimited(job: InProgress, call: EndedCall, c: Circumstances, message: string): Plan {
  const draft = failAttempt(draftOf(job), callFacts(call), {
    nowMs: c.nowMs,
    actor: c.actor,
    reason: "rate_limited",
    failure: `${call.deployment.name}: ${message}`,
    retryAtMs: null,
    wakeAtMs: queuedWakeAtMs(job, c.nowMs, c.nudgeGraceMs),
    spent: false,
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
  return retry(job, call, c, reason, `the call was aborted (${reason})`, null);
}
