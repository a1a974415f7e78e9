import { type AuditEntry, type AuditRecord, nextRecord } from "../audit/record.ts";
import type { JobErrorCode } from "../errors.ts";
import { addCosts, type Cost } from "../model/cost.ts";
import type { Usage } from "../model/usage.ts";
import type { Parked } from "../quota/ports.ts";
import { hasEnded, type TerminalStatus } from "../status.ts";
import type { Hold, Job, Lease, StoredResponse } from "./job.ts";

/**
 * The life cycle as pure transitions. Each takes a draft (the job as it would be stored, and the audit records and
 * content that must be stored with it, in one batch) and returns the next. Several transitions may share one write.
 */
export interface Draft {
  readonly job: Job;
  readonly records: readonly AuditRecord[];
  readonly response?: StoredResponse;
  /** Content to be deleted in the same batch, as far as it has not lapsed. */
  readonly erase?: readonly ("request" | "response")[];
}

export function draftOf(job: Job): Draft {
  return { job, records: [] };
}

/** A transition that the life cycle does not have: a bug, never a client's fault. */
export class IllegalTransition extends Error {
  override readonly name = "IllegalTransition";
  constructor(what: string, job: Job) {
    super(`${what}: the job is ${job.status}, attempt ${job.attempts}`);
  }
}

function recorded(draft: Draft, nowMs: number, entry: AuditEntry, change: Partial<Job>): Draft {
  const { job } = draft;
  const record = nextRecord({ seq: job.audit_seq, hash: job.audit_hash }, job.job_id, nowMs, entry);
  return {
    ...draft,
    job: { ...job, ...change, audit_seq: record.seq, audit_hash: record.hash },
    records: [...draft.records, record],
  };
}

/** What is known of a call that ended, for its audit record and the job's sums. */
export interface CallFacts {
  readonly outcome: string;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
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

/** queued -> in_progress: a worker takes the job for one call of one deployment. */
export function startAttempt(draft: Draft, start: AttemptStart): Draft {
  const { job } = draft;
  if (job.status !== "queued") throw new IllegalTransition("start an attempt", job);
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
  return recorded({ ...draft, job: released(job) }, start.nowMs, entry, {
    status: "in_progress",
    lease,
    ...(start.reserved === true ? { budget_claims: withClaim(job, attempt, start.claimId) } : {}),
    attempts: attempt,
    attempts_spent: job.attempts_spent + 1,
    started_at_ms: job.started_at_ms ?? start.nowMs,
    retry_at_ms: null,
    nudges_resent: 0,
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
export function renewLease(job: Job, nowMs: number): Job {
  const { lease } = job;
  if (job.status !== "in_progress" || lease === null) throw new IllegalTransition("renew a lease", job);
  return {
    ...job,
    lease: { ...lease, renewals: lease.renewals + 1 },
    wake_at_ms: leaseWakeAtMs(job, lease.seconds, nowMs),
  };
}

/** The running attempt's own fields, for the record that ends it. */
function attemptFields(job: Job, lease: Lease): Partial<AuditEntry> {
  return {
    attempt: job.attempts,
    deployment: lease.deployment,
    provider: lease.provider,
    simulated: lease.simulated,
    request_sha256: lease.request_sha256,
  };
}

function callFields(call: CallFacts): Partial<AuditEntry> {
  return {
    outcome: call.outcome,
    usage: call.usage,
    cost: call.cost,
    latency_ms: Math.round(call.latencyMs),
    response_sha256: call.responseSha256,
  };
}

function leaseOf(job: Job, what: string): Lease {
  if (job.status !== "in_progress" || job.lease === null) throw new IllegalTransition(what, job);
  return job.lease;
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
  /** False for a 429, which spends none of MAX_ATTEMPTS. */
  readonly spent: boolean;
  readonly refusedBy?: readonly string[];
  readonly tried?: readonly string[];
}

/** in_progress -> queued after a call that failed but does not end the job. */
export function failAttempt(draft: Draft, call: CallFacts, requeue: Requeue): Draft {
  const { job } = draft;
  const lease = leaseOf(job, "fail an attempt");
  const entry: AuditEntry = {
    event: "attempt_failed",
    actor: requeue.actor,
    ...attemptFields(job, lease),
    ...callFields(call),
    reason: requeue.reason,
  };
  return recorded(draft, requeue.nowMs, entry, {
    ...requeued(job, requeue),
    cost: addCosts(job.cost, call.cost),
  });
}

/**
 * in_progress -> queued: the worker is gone; what the call cost is not known.
 * @param estimate what it may have cost; null: not even that is known
 */
export function loseAttempt(draft: Draft, requeue: Requeue, estimate: Cost | null = null): Draft {
  const { job } = draft;
  const lease = leaseOf(job, "lose an attempt");
  const entry: AuditEntry = {
    event: "attempt_lost",
    actor: requeue.actor,
    ...attemptFields(job, lease),
    outcome: "lost",
    reason: requeue.reason,
    estimate,
  };
  return recorded(draft, requeue.nowMs, entry, requeued(job, requeue));
}

function requeued(job: Job, requeue: Requeue): Partial<Job> {
  return {
    status: "queued",
    lease: null,
    last_failure: requeue.failure,
    attempts_spent: requeue.spent ? job.attempts_spent : job.attempts_spent - 1,
    retry_at_ms: requeue.retryAtMs,
    wake_at_ms: requeue.wakeAtMs,
    refused_by: requeue.refusedBy ?? job.refused_by,
    tried: requeue.tried ?? job.tried,
  };
}

/** A queued job waits for quota, until the dispatcher lets it go: no attempt, no lease, no worker, no timer. */
export function parkForQuota(
  draft: Draft,
  wait: { nowMs: number; actor: string; reason: string; parked: Parked; wakeAtMs: number },
): Draft {
  if (draft.job.status !== "queued") throw new IllegalTransition("park", draft.job);
  const entry: AuditEntry = { event: "waiting", actor: wait.actor, reason: wait.reason };
  return recorded({ ...draft, job: released(draft.job) }, wait.nowMs, entry, {
    parked_at_ms: wait.nowMs,
    parked: wait.parked,
    retry_at_ms: null,
    wake_at_ms: wait.wakeAtMs,
  });
}

/** A queued job waits for somebody, not for a time: an operator's switch, a budget. */
export function holdJob(
  draft: Draft,
  hold: {
    nowMs: number;
    actor: string;
    held: Hold;
    reason: string;
    wakeAtMs: number;
  },
): Draft {
  if (draft.job.status !== "queued") throw new IllegalTransition("hold", draft.job);
  const entry: AuditEntry = { event: "waiting", actor: hold.actor, reason: hold.reason };
  return recorded({ ...draft, job: released(draft.job) }, hold.nowMs, entry, {
    held: hold.held,
    retry_at_ms: null,
    wake_at_ms: hold.wakeAtMs,
  });
}

function released(job: Job): Job {
  const { held: _, parked_at_ms: _at, parked: _parked, ...rest } = job;
  return rest;
}

/** How a job ends. `call` when a running attempt's call ended it, `error` for all but completed and cancelled. */
export interface Ending {
  readonly status: TerminalStatus;
  readonly nowMs: number;
  readonly actor: string;
  readonly reason?: string | null;
  readonly call?: CallFacts;
  readonly error?: { readonly code: JobErrorCode; readonly message: string };
  readonly response?: StoredResponse;
}

/** Any live status -> a terminal one, once. */
export function end(draft: Draft, ending: Ending): Draft {
  const { job } = draft;
  if (hasEnded(job.status)) throw new IllegalTransition(`end as ${ending.status}`, job);
  const entry: AuditEntry = {
    event: ending.status,
    actor: ending.actor,
    ...(job.lease === null ? {} : attemptFields(job, job.lease)),
    ...(ending.call === undefined ? {} : callFields(ending.call)),
    reason: ending.reason ?? ending.error?.code ?? null,
  };
  const { wake_at_ms: _, ...rest } = released(job);
  const next = recorded({ ...draft, job: rest }, ending.nowMs, entry, {
    status: ending.status,
    lease: null,
    retry_at_ms: null,
    completed_at_ms: ending.nowMs,
    error: ending.error ?? null,
    has_response: ending.response !== undefined,
    ...(ending.call === undefined
      ? {}
      : { usage: ending.call.usage, cost: addCosts(job.cost, ending.call.cost) }),
  });
  return ending.response === undefined ? next : { ...next, response: ending.response };
}

/** A call whose attempt no longer holds the job: its cost counts, its answer does not. */
export function supersedeAttempt(
  draft: Draft,
  late: { attempt: number; lease: Lease; call: CallFacts; nowMs: number; actor: string; reason: string },
): Draft {
  const { lease } = late;
  const entry: AuditEntry = {
    event: "attempt_superseded",
    actor: late.actor,
    attempt: late.attempt,
    deployment: lease.deployment,
    provider: lease.provider,
    simulated: lease.simulated,
    request_sha256: lease.request_sha256,
    ...callFields(late.call),
    reason: late.reason,
  };
  return recorded(draft, late.nowMs, entry, { cost: addCosts(draft.job.cost, late.call.cost) });
}

/** An ended job's request and response are erased; its audit trail stays. */
export function deleteContent(draft: Draft, by: { nowMs: number; actor: string }): Draft {
  if (!hasEnded(draft.job.status)) throw new IllegalTransition("delete content", draft.job);
  const entry: AuditEntry = { event: "content_deleted", actor: by.actor };
  return {
    ...recorded(draft, by.nowMs, entry, { has_response: false, content_deleted: true }),
    erase: draft.job.has_response ? ["request", "response"] : ["request"],
  };
}

/** An operator makes a new job of an ended one: that is said in its trail, and its status stays what it is. */
export function redriveEnded(draft: Draft, by: { nowMs: number; actor: string; newJobId: string }): Draft {
  if (!hasEnded(draft.job.status)) throw new IllegalTransition("redrive", draft.job);
  const entry: AuditEntry = { event: "redriven", actor: by.actor, reason: `redriven to ${by.newJobId}` };
  return recorded(draft, by.nowMs, entry, { redriven_to: by.newJobId });
}
