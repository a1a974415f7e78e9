import type { JobErrorCode } from "../errors.ts";
import type { Cost, CostUnknown } from "../model/cost.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { Usage } from "../model/usage.ts";
import type { Priority } from "../priority.ts";
import type { Parked } from "../quota/ports.ts";
import type { Status } from "../status.ts";

export type { StoredRequest, StoredResponse } from "../content/content.ts";
export { ENDPOINTS, type Endpoint } from "../model/endpoint.ts";

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

/** What a held job waits for: an operator's switch, or its tenant's budget. */
export type HoldCause = "switched_off" | "over_budget";

/** A queued job that waits for no known time; absent in all others, so that only held jobs are in its index. */
export interface Hold {
  readonly cause: HoldCause;
  /** Of what operators had set when it was last looked at: a newer one may let it go. */
  readonly revision: number;
  /** The budget it waits for, by name: with another it may go. */
  readonly budget?: string;
  /** When the budget's next period begins; absent: it waits for calls that still run. */
  readonly until_ms?: number;
}

/**
 * The `job` item: status and scheduling, never content. Times end in `_ms`: Unix time in ms.
 * `audit_seq` and `audit_hash` are the head of its audit chain, so one etag serialises state and chain.
 */
export interface Job {
  readonly v: number;
  readonly kind: "job";
  readonly tenant_id: string;
  readonly job_id: string;
  readonly status: Status;
  readonly endpoint: Endpoint;
  /** The name the client asked for: a deployment's model or a route. */
  readonly model: string;
  readonly priority: Priority;
  readonly metadata: Readonly<Record<string, string>>;
  /** SHA-256 of the canonical envelope (RFC 8785), held against a repeated idempotency key. */
  readonly envelope_sha256: string;
  readonly created_at_ms: number;
  readonly not_before_ms: number | null;
  readonly deadline_ms: number;
  readonly started_at_ms: number | null;
  readonly completed_at_ms: number | null;
  /** When the sweeper looks at it again; absent once the job has ended, so that ended jobs leave the index. */
  readonly wake_at_ms?: number;
  /** Nudges the sweeper has sent since the last attempt: each doubles the time until the next. */
  readonly nudges_resent: number;
  /** Not to be called before this time (back-off, Retry-After); `null`: at once. */
  readonly retry_at_ms: number | null;
  /** It waits for no known time: the sweeper nudges it when what it waits for may have changed. */
  readonly held?: Hold;
  /** It waits for quota, and the dispatcher lets it go: when it was parked. Absent in all others, so that none else is in its index. */
  readonly parked_at_ms?: number;
  readonly parked?: Parked;
  /** Claims so far: the number of the latest attempt, which fences it. */
  readonly attempts: number;
  /** Attempts that count against MAX_ATTEMPTS: all but those refused with 429. */
  readonly attempts_spent: number;
  readonly lease: Lease | null;
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
  /** Of the call that ended the job; each attempt's own is in the audit trail. */
  readonly usage: Usage | null;
  /** All known attempts together; null while none is known. */
  readonly cost: Cost | null;
  /** Of attempts whose cost is not in that sum, why; by attempt. Absent: none, or stored before there was this field. */
  readonly unknown_costs?: Readonly<Record<string, CostUnknown>>;
  /** Why its answer is not whole, in the lab's word: `length`, `content_filter`, …; absent: it is, or there is none. */
  readonly incomplete?: string;
  /** What the last failed attempt said, for the error of a job that runs out of attempts. */
  readonly last_failure: string | null;
  readonly error: { readonly code: JobErrorCode; readonly message: string } | null;
  readonly has_response: boolean;
  readonly content_deleted: boolean;
  /** The ended job whose dead letter an operator made this one of; absent: none. */
  readonly redriven_from?: string;
  /** The job that was made of this one, after it had ended; absent: none. */
  readonly redriven_to?: string;
  readonly audit_seq: number;
  readonly audit_hash: string;
  /**
   * When the audit trail goes, as a whole; null: never. Set by the store when the job is accepted; jobs stored before
   * there was this field go by the setting.
   */
  readonly audit_until_ms?: number | null;
}
