import { type AuditEntry, type AuditRecord, FIRST_RECORDS, nextRecord } from "../audit/record.ts";
import { addCosts, type Cost, type CostUnknown } from "../model/cost.ts";
import type { Usage } from "../model/usage.ts";
import type { Illness } from "../model/wait-cause.ts";
import type { OutboxItem } from "./ending/outbox.ts";
import type {
  Ended,
  InProgress,
  Job,
  JobFacts,
  Lease,
  Live,
  Queued,
  Setbacks,
  StoredResponse,
} from "./job.ts";
import type { Waiting } from "./waiting.ts";

/**
 * The life cycle as pure transitions. Each takes a draft (the job as it would be stored, and the audit records and
 * content that must be stored with it, in one batch) and returns the next. Several transitions may share one write.
 * A job's type says which of them its state has.
 */
export interface Draft<J extends Job = Job> {
  readonly job: J;
  readonly records: readonly AuditRecord[];
  readonly response?: StoredResponse;
  /** Content to be deleted in the same batch, as far as it has not lapsed. */
  readonly erase?: readonly ("request" | "response")[];
  /** The event log is marked as erased in the same batch. */
  readonly eraseEvents?: true;
  /** What is told of it, as far as anybody wants to hear it. */
  readonly outbox?: readonly OutboxItem[];
  /** The job as it was before the first of the records. */
  readonly from?: Job;
}

export function draftOf<J extends Job>(job: J): Draft<J> {
  return { job, records: [] };
}

/** The draft with the job as it is after an event, and the event's record. */
export function recorded<J extends Job>(draft: Draft, nowMs: number, entry: AuditEntry, job: J): Draft<J> {
  const { audit_seq: seq, audit_hash: hash, job_id } = draft.job;
  const record = nextRecord({ seq, hash }, job_id, nowMs, entry);
  return {
    ...{ from: draft.job, ...draft },
    job: {
      ...{ ...job, audit_seq: record.seq, audit_hash: record.hash },
      ...(record.seq > FIRST_RECORDS ? {} : { first_records: [...(job.first_records ?? []), record] }),
    },
    records: [...draft.records, record],
  };
}

/** What stays of a live job when its state goes. */
export function factsOf(job: Live): JobFacts {
  if (job.status === "queued") {
    const { status: _, wake_at_ms: _at, nudges_resent: _resent, waiting: _waiting, ...facts } = job;
    return facts;
  }
  const { status: _, wake_at_ms: _at, lease: _lease, ...facts } = job;
  return facts;
}

/** What is known of a call that ended, for its audit record and the job's sums. */
export interface CallFacts {
  readonly outcome: string;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
  /** Why its cost is not known; absent: it is, or nothing is billed. */
  readonly costUnknown?: CostUnknown;
  /** With that, the most that it may have cost; decimal. Absent: not even that is known. */
  readonly mayHaveCost?: string;
  /** It was certainly not billed, whatever was feared before. */
  readonly free?: true;
  readonly labCost?: Cost;
  /** The lab's words; absent: it succeeded. */
  readonly message?: string;
  readonly latencyMs: number;
  readonly responseSha256: string | null;
}

export interface AttemptStart {
  readonly claimId: string;
  readonly deployment: { readonly name: string; readonly provider: string; readonly simulated: boolean };
  readonly requestSha256: string;
  readonly leaseSeconds: number;
  readonly nowMs: number;
  readonly actor: string;
  /** Why this deployment, for the audit trail; null when there was nothing to choose. */
  readonly reason: string | null;
  /** Money was put aside for it. */
  readonly reserved?: boolean;
}

/** Claims remembered for whoever settles what was put aside for them; that is done within the next attempt or two. */
const MAX_BUDGET_CLAIMS = 16;

function withClaim(job: Job, attempt: number, claimId: string): Record<string, string> {
  const known = Object.entries(job.budget_claims ?? {}).slice(1 - MAX_BUDGET_CLAIMS);
  return { ...Object.fromEntries(known), [attempt]: claimId };
}

/** A worker takes the job for one call of one deployment. */
export function startAttempt(draft: Draft<Queued>, start: AttemptStart): Draft<InProgress> {
  const { job } = draft;
  const attempt = job.attempts + 1;
  const { name, provider, simulated } = start.deployment;
  const lease: Lease = {
    claim_id: start.claimId,
    renewals: 0,
    seconds: start.leaseSeconds,
    deployment: name,
    provider,
    simulated,
    started_at_ms: start.nowMs,
    request_sha256: start.requestSha256,
  };
  const entry: AuditEntry = {
    event: "attempt_started",
    actor: start.actor,
    attempt,
    deployment: name,
    provider,
    simulated,
    reason: start.reason,
    request_sha256: start.requestSha256,
  };
  return recorded(draft, start.nowMs, entry, {
    ...factsOf(job),
    status: "in_progress",
    lease,
    ...(start.reserved === true ? { budget_claims: withClaim(job, attempt, start.claimId) } : {}),
    attempts: attempt,
    attempts_spent: job.attempts_spent + 1,
    started_at_ms: job.started_at_ms ?? start.nowMs,
    deployment: name,
    provider,
    simulated,
    wake_at_ms: leaseWakeAtMs(job, start.leaseSeconds, start.nowMs),
  });
}

/** The sweeper looks at a running job when its lease or its time ends, whichever comes first. */
function leaseWakeAtMs(job: Job, leaseSeconds: number, nowMs: number): number {
  return Math.min(nowMs + leaseSeconds * 1000, Math.max(job.deadline_ms, nowMs));
}

/** The same claim goes on for another lease's length; no audit record. */
export function renewLease(job: InProgress, nowMs: number): InProgress {
  const { lease } = job;
  return {
    ...job,
    lease: { ...lease, renewals: lease.renewals + 1 },
    wake_at_ms: leaseWakeAtMs(job, lease.seconds, nowMs),
  };
}

/** The fields of an attempt that its lease tells, for the record that ends it. */
export function attemptFields(attempt: number, lease: Lease): Partial<AuditEntry> {
  const { deployment, provider, simulated, request_sha256 } = lease;
  return { attempt, deployment, provider, simulated, request_sha256 };
}

export function callFields(call: CallFacts): Partial<AuditEntry> {
  return {
    outcome: call.outcome,
    usage: call.usage,
    cost: call.cost,
    ...(call.costUnknown === undefined ? {} : { cost_unknown: call.costUnknown }),
    ...(call.labCost === undefined ? {} : { lab_cost: call.labCost }),
    ...(call.message === undefined ? {} : { message: call.message }),
    latency_ms: Math.round(call.latencyMs),
    response_sha256: call.responseSha256,
  };
}

/** Attempts whose unknown cost is remembered with the job: the trail has them all. */
const MAX_UNKNOWN_COSTS = 16;

/** The job's sums after a call of that attempt, or what a lost one adds to them. */
export function withCost(
  job: Job,
  attempt: number,
  call: Pick<CallFacts, "cost" | "costUnknown" | "mayHaveCost" | "free">,
): Pick<JobFacts, "cost" | "unknown_costs" | "may_have_cost"> {
  const { max_cost, unknown_costs, may_have_cost } = job;
  const isKnown = call.cost !== null || call.free === true;
  const said = <T>(now: T | undefined, before: Readonly<Record<string, T>> | undefined) =>
    byAttempt(before, attempt, isKnown ? undefined : (now ?? before?.[attempt]));
  const unknown = said(call.costUnknown, unknown_costs);
  const most = max_cost === undefined ? undefined : said(call.mayHaveCost, may_have_cost);
  return {
    cost: addCosts(job.cost, call.cost),
    ...(unknown === undefined ? {} : { unknown_costs: unknown }),
    ...(most === undefined ? {} : { may_have_cost: most }),
  };
}

/** What is said of each attempt, with what is said of this one now; undefined: there is nothing, and was not before. */
function byAttempt<T>(
  before: Readonly<Record<string, T>> | undefined,
  attempt: number,
  said: T | undefined,
): Readonly<Record<string, T>> | undefined {
  if (before === undefined && said === undefined) return undefined;
  const { [attempt]: _, ...others } = before ?? {};
  const all = Object.entries(said === undefined ? others : { ...others, [attempt]: said });
  return Object.fromEntries(all.slice(-MAX_UNKNOWN_COSTS)) as Record<string, T>;
}

/** How a failed attempt leaves the job for the next one. */
export interface Requeue {
  readonly nowMs: number;
  readonly actor: string;
  readonly reason: string;
  /** In words, for the job's error should this have been the last attempt. */
  readonly failure: string;
  /** When the next attempt may start; null: at once. */
  readonly retryAtMs: number | null;
  readonly wakeAtMs: number;
  /** False: it spends none of MAX_ATTEMPTS. */
  readonly spent: boolean;
  /** It spends one of MAX_LOST_ATTEMPTS. */
  readonly lost?: boolean;
  /** What the deployment is ill with that it waits for; absent: it waits for the time alone. */
  readonly illness?: Illness;
  /** Undefined: there are none any more. Absent: as before. */
  readonly setbacks?: Setbacks | undefined;
  readonly refusedBy?: readonly string[];
  readonly tried?: readonly string[];
}

/** A call failed, and that does not end the job. */
export function failAttempt(draft: Draft<InProgress>, call: CallFacts, requeue: Requeue): Draft<Queued> {
  const { job } = draft;
  const entry: AuditEntry = {
    event: "attempt_failed",
    actor: requeue.actor,
    ...attemptFields(job.attempts, job.lease),
    ...callFields(call),
    reason: requeue.reason,
  };
  const sums = withCost(job, job.attempts, call);
  return recorded(draft, requeue.nowMs, entry, { ...requeued(job, requeue), ...sums });
}

/**
 * The worker is gone; what the call cost is not known.
 * @param estimate what it may have cost; null: not even that is known
 */
export function loseAttempt(
  draft: Draft<InProgress>,
  requeue: Requeue,
  estimate: Cost | null = null,
): Draft<Queued> {
  const { job } = draft;
  const entry: AuditEntry = {
    event: "attempt_lost",
    actor: requeue.actor,
    ...attemptFields(job.attempts, job.lease),
    outcome: "lost",
    reason: requeue.reason,
    estimate,
  };
  const sums = withCost(job, job.attempts, {
    ...{ cost: null, costUnknown: "worker_lost" },
    ...(estimate === null ? {} : { mayHaveCost: estimate.amount }),
  });
  return recorded(draft, requeue.nowMs, entry, { ...requeued(job, requeue), ...sums });
}

function requeued(job: InProgress, requeue: Requeue): Queued {
  const { setbacks: before, ...facts } = factsOf(job);
  const setbacks = "setbacks" in requeue ? requeue.setbacks : before;
  return {
    ...facts,
    ...(setbacks === undefined ? {} : { setbacks }),
    status: "queued",
    waiting: waitAfter(job, requeue),
    wake_at_ms: requeue.wakeAtMs,
    nudges_resent: 0,
    last_failure: requeue.failure,
    attempts_spent: requeue.spent ? job.attempts_spent : job.attempts_spent - 1,
    ...(requeue.lost === true ? { attempts_lost: (job.attempts_lost ?? 0) + 1 } : {}),
    refused_by: requeue.refusedBy ?? job.refused_by,
    tried: requeue.tried ?? job.tried,
  };
}

function waitAfter({ lease }: InProgress, requeue: Requeue): Waiting | null {
  const { retryAtMs: until_ms, illness, setbacks, nowMs } = requeue;
  if (until_ms === null) return null;
  if (illness === undefined) return { for: "time", until_ms, since_ms: nowMs };
  const since_ms = setbacks?.since_ms ?? nowMs;
  return { for: "deployment", cause: illness, deployment: lease.deployment, until_ms, since_ms };
}

/** A queued job waits for somebody: no attempt, no lease, no worker. */
export function wait(
  draft: Draft<Queued>,
  wait: { nowMs: number; actor: string; reason: string; waiting: Waiting; wakeAtMs: number },
): Draft<Queued> {
  const { waiting, wakeAtMs, nowMs, actor, reason } = wait;
  const job: Queued = { ...draft.job, waiting, wake_at_ms: wakeAtMs };
  return recorded(draft, nowMs, { event: "waiting", actor, reason }, job);
}

/** A call whose attempt no longer holds the job: its cost counts, its answer does not. */
export function supersedeAttempt<J extends Job>(
  draft: Draft<J>,
  late: { attempt: number; lease: Lease; call: CallFacts; nowMs: number; actor: string; reason: string },
): Draft<J> {
  const entry: AuditEntry = {
    event: "attempt_superseded",
    actor: late.actor,
    ...attemptFields(late.attempt, late.lease),
    ...callFields(late.call),
    reason: late.reason,
  };
  const sums = withCost(draft.job, late.attempt, late.call);
  return recorded(draft, late.nowMs, entry, { ...draft.job, ...sums });
}

const ERASED = "Erased with the request and the response.";

/** An ended job's request and response are erased, and what else came from its tenant or repeats it; its trail stays. */
export function deleteContent(draft: Draft<Ended>, by: { nowMs: number; actor: string }): Draft<Ended> {
  const { job } = draft;
  const { incomplete: _, ...kept } = job;
  const entry: AuditEntry = { event: "content_deleted", actor: by.actor };
  return {
    ...recorded(draft, by.nowMs, entry, {
      ...kept,
      ...{ has_response: false, content_deleted: true, content_deleted_at_ms: by.nowMs },
      ...{ metadata: {}, last_failure: null },
      error: job.error && { ...job.error, message: ERASED },
    }),
    erase: job.has_response ? ["request", "response"] : ["request"],
    ...(job.streamed === undefined ? {} : { eraseEvents: true }),
  };
}

/** An operator makes a new job of an ended one: that is said in its trail, and its status stays what it is. */
export function redriveEnded(
  draft: Draft<Ended>,
  by: { nowMs: number; actor: string; newJobId: string },
): Draft<Ended> {
  const entry: AuditEntry = { event: "redriven", actor: by.actor, reason: `redriven to ${by.newJobId}` };
  return recorded(draft, by.nowMs, entry, { ...draft.job, redriven_to: by.newJobId });
}
