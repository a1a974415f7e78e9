import type { AuditRecord } from "../audit/record.ts";
import type { JobErrorCode } from "../errors.ts";
import type { Cost, CostUnknown } from "../model/cost.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { Validation } from "../model/outcome.ts";
import type { Usage } from "../model/usage.ts";
import type { Priority } from "../priority.ts";
import type { TerminalStatus } from "../status.ts";
import type { Waiting } from "./waiting.ts";

export type { StoredRequest, StoredResponse } from "../content/content.ts";
export { ENDPOINTS, type Endpoint } from "../model/endpoint.ts";

/**
 * A job: status and scheduling, never content. Times end in `_ms`: Unix time in ms. What a state does not have, its
 * type does not have either; how all of them are stored is shared/azure/cosmos/job-document.ts.
 */
export type Job = Queued | InProgress | Ended;
/** A job that has not ended. */
export type Live = Queued | InProgress;

/** No worker has it. */
export interface Queued extends JobFacts {
  readonly status: "queued";
  /** When the sweeper looks at it again. */
  readonly wake_at_ms: number;
  /** Nudges the sweeper has sent since the last attempt: each doubles the time until the next. */
  readonly nudges_resent: number;
  /** Null: for a worker alone. */
  readonly waiting: Waiting | null;
}

/** A worker has claimed it for one call. */
export interface InProgress extends JobFacts {
  readonly status: "in_progress";
  /** When the sweeper looks at it: at the end of the lease or of the job's time. */
  readonly wake_at_ms: number;
  readonly lease: Lease;
}

export interface Ended extends JobFacts {
  readonly status: TerminalStatus;
  readonly completed_at_ms: number;
  /** What the call that ended the job used; each attempt's own is in the audit trail. */
  readonly usage: Usage | null;
  readonly error: JobError | null;
  /** Why its answer is not whole, in the lab's word: `length`, `content_filter`, …; absent: it is, or there is none. */
  readonly incomplete?: string;
  /** Whether its answer holds the JSON schema that the request asks for; absent: it was not asked. */
  readonly validation?: Validation;
  readonly has_response: boolean;
  readonly content_deleted: boolean;
  /** Absent: it was not, or an older version did it. */
  readonly content_deleted_at_ms?: number;
  /** The job that was made of this one; absent: none. */
  readonly redriven_to?: string;
}

/** What a job has in every state. `audit_seq` and `audit_hash` are the head of its audit chain, so one etag serialises state and chain. */
export interface JobFacts {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly endpoint: Endpoint;
  /** The name the client asked for: a deployment's model or a route. */
  readonly model: string;
  readonly priority: Priority;
  readonly metadata: Readonly<Record<string, string>>;
  /** SHA-256 of the canonical envelope (RFC 8785), compared when an idempotency key is repeated. */
  readonly envelope_sha256: string;
  readonly created_at_ms: number;
  readonly not_before_ms: number | null;
  readonly deadline_ms: number;
  readonly started_at_ms: number | null;
  /** Claims so far: the number of the latest attempt, which fences it. */
  readonly attempts: number;
  /** Attempts that count against MAX_ATTEMPTS: all but those certainly not billed, and those lost. */
  readonly attempts_spent: number;
  /** Attempts lost with their worker, which have an allowance of their own; absent: none. */
  readonly attempts_lost?: number;
  /** Its failures for which deployments were ill; absent: none since one was well. */
  readonly setbacks?: Setbacks;
  /** The claims of its last attempts that had money put aside, by attempt; absent: its tenant has no budget. */
  readonly budget_claims?: Readonly<Record<string, string>>;
  /** Deployments not to be asked again: they turned the job away for good. */
  readonly refused_by: readonly string[];
  /** Deployments that failed since the last back-off: others of the route come first. */
  readonly tried: readonly string[];
  /** What answered, or was called last. */
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly simulated: boolean;
  /** All known attempts together; null while none is known. */
  readonly cost: Cost | null;
  /** Why an attempt's cost is not in that sum, by attempt. Absent: none, or stored before there was this field. */
  readonly unknown_costs?: Readonly<Record<string, CostUnknown>>;
  /** The most that it may cost, all attempts together; decimal. Absent: whatever. */
  readonly max_cost?: string;
  /** How long one of its calls may take; absent: as long as the deployment's. */
  readonly timeout_seconds?: number;
  /** With `max_cost`, what attempts of unknown cost may have cost at most, by attempt; decimals. Absent: none. */
  readonly may_have_cost?: Readonly<Record<string, string>>;
  /** What the last failed attempt said, for the error of a job that runs out of attempts. */
  readonly last_failure: string | null;
  /** Its trace, as W3C writes it: all that is told of the job is under that span; absent: it is not traced. */
  readonly traceparent?: string;
  /** The span of the caller's that the job's own is under; absent: it began the trace. */
  readonly caller_span_id?: string;
  /** The ended job whose dead letter an operator made this one of; absent: none. */
  readonly redriven_from?: string;
  /** The ended job that its owner made this one of; absent: none. */
  readonly retries?: string;
  /**
   * Names the call of a client that waits for the answer on its connection: what its automatic retry is known by.
   * Absent: nobody waits so.
   */
  readonly coalesce?: string;
  /** Its client reads the answer as events: what a worker's call says goes to the job's event log. Absent: it does not. */
  readonly streamed?: true;
  /**
   * Its answer is checked against the JSON schema that the request asks for. `retry`: one that does not hold it is no
   * answer. `tell`: the job says so, and no more. Absent: it is not.
   */
  readonly validate?: Validate;
  /** The comparison that it is one of; absent: none. */
  readonly comparison?: string;
  /** It is a response of the OpenAI door; absent: it is not. */
  readonly as_response?: ResponseFacts;
  /** The request that has taken the place of the one that made the job; absent: none. */
  readonly joined_by?: string;
  /** The batch that it is a line of, or the group that its owner has put it into; absent: none. */
  readonly batch_id?: string;
  /** Which of the batch's lines (from 0), and what the batch's owner calls it; absent: it is none. */
  readonly batch_line?: number;
  readonly custom_id?: string;
  /** Which of its client's retries that is, from 1. */
  readonly joined_count?: number;
  readonly audit_seq: number;
  readonly audit_hash: string;
  /** The first records of its trail: all others are items of their own. Absent: those too, as the version before has them. */
  readonly first_records?: readonly AuditRecord[];
  /** When the audit trail goes, as a whole; null: never. Absent in jobs stored before there was this field: by the setting. */
  readonly audit_until_ms?: number | null;
  /** When request and response go. Absent as above. */
  readonly content_until_ms?: number;
  /** What else its stored item holds, its version first: a neighbouring version's fields survive a read and a write. */
  readonly others: Readonly<Record<string, unknown>>;
}

export const VALIDATE = ["retry", "tell"] as const;
export type Validate = (typeof VALIDATE)[number];
/** What a client has said of a response that no lab hears. */
export interface ResponseFacts {
  /** Nobody waits for it on a connection. */
  readonly background: boolean;
  /** Whether it can be read later. */
  readonly store: boolean;
  readonly previous_response_id: string | null;
}

/** What a job's item keeps of its trace. */
export type TraceFields = Pick<JobFacts, "traceparent" | "caller_span_id">;

/** Failures in a row that were a deployment's. Times in Unix ms. */
export interface Setbacks {
  /** After how many of them it had to wait: each makes the next pause longer. */
  readonly pauses: number;
  readonly since_ms: number;
  readonly last_ms: number;
  /** They were refusals for its rate (429). */
  readonly refused?: boolean;
  /** Whether all since the last pause were what only an operator can cure; absent: an older version did not say. */
  readonly needs_operator?: boolean;
}

export interface JobError {
  readonly code: JobErrorCode;
  readonly message: string;
}

/** A worker's right to a job: whoever wrote `claim_id` last holds it, for `seconds` from each renewal. */
export interface Lease {
  readonly claim_id: string;
  /** Counts up with each renewal, so that an observer can tell a live lease from a dead one without clocks. */
  readonly renewals: number;
  readonly seconds: number;
  readonly deployment: string;
  readonly provider: string;
  readonly simulated: boolean;
  readonly started_at_ms: number;
  /** SHA-256 of the bytes this attempt sends. */
  readonly request_sha256: string;
}

export function isEnded(job: Job): job is Ended {
  return job.status !== "queued" && job.status !== "in_progress";
}

/** Whether its client is shown what a call says as it says it: not where the answer is checked before it counts. */
export function isPassedOn({
  streamed,
  validate,
}: {
  streamed?: true;
  validate?: Validate | undefined;
}): boolean {
  return streamed === true && validate === undefined;
}

/** The lease under which a worker has the job; null: no worker has it. */
export function leaseOf(job: Job): Lease | null {
  return job.status === "in_progress" ? job.lease : null;
}
