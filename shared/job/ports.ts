import type { AuditRecord } from "../audit/record.ts";
import type { Grant, Proof } from "../quota/grant.ts";
import type { Status } from "../status.ts";
import type { JobKey, Stored, UnreadableItem, WriteResult } from "../store.ts";
import type { Accepted } from "./intake/accept.ts";
import type { Job, StoredRequest, StoredResponse, TraceFields } from "./job.ts";
import type { Draft } from "./life-cycle.ts";

/** What the pipeline needs of the world; shared/azure implements it on Cosmos DB and Service Bus. */

export interface ListFilter {
  readonly status?: Status | undefined;
  readonly model?: string | undefined;
  readonly batchId?: string | undefined;
  /** When they were made: from the first on, and before the second. */
  readonly fromMs?: number | undefined;
  readonly beforeMs?: number | undefined;
  /** Pairs that all of them have. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly limit: number;
  /** Only jobs that come after this one in the list. */
  readonly after?: { readonly created_at_ms: number; readonly job_id: string } | undefined;
}

/** Whether a job is traced is decided once, when it is accepted. */
export interface Traces {
  /** @param caller the `traceparent` of whoever submits it */
  begin(caller: string | undefined): TraceFields;
}

/**
 * Every method throws StoreUnavailable, and nothing else that a cloud can cause; those that read one job also
 * UnreadableItem. A list leaves out what it cannot read.
 */
export interface JobStore {
  /** Job, request and first audit records in one batch. `exists`: there is a job with this id already. */
  create(accepted: Accepted, nowMs: number): Promise<WriteResult | { readonly kind: "exists" }>;
  read(key: JobKey): Promise<Stored<Job> | undefined>;
  /**
   * Job and request in one round trip; the request is undefined once its content was deleted or has lapsed, and an error
   * where this version cannot read it: another may.
   */
  readWithRequest(
    key: JobKey,
  ): Promise<{ job: Stored<Job>; request: StoredRequest | UnreadableItem | undefined } | undefined>;
  /** Undefined may also mean that this replica does not have it yet. */
  readResponse(key: JobKey): Promise<StoredResponse | undefined>;
  /** Job and response of one moment; undefined where this replica does not have the job. */
  readWithResponse(
    key: JobKey,
  ): Promise<{ job: Stored<Job>; response: StoredResponse | undefined } | undefined>;
  /** The draft's job, records and content in one batch, if the job is still at `etag`. */
  write(draft: Draft, etag: string, nowMs: number): Promise<WriteResult>;
  /** The job of that id, whosever it is; for operators. */
  find(jobId: string): Promise<Stored<Job> | undefined>;
  /** A tenant's jobs, newest first; undefined: all tenants'. */
  list(tenantId: string | undefined, filter: ListFilter): Promise<{ jobs: readonly Job[]; hasMore: boolean }>;
  /** A tenant's jobs with this `coalesce` that were made since then, the oldest first. */
  coalescing(tenantId: string, coalesce: string, sinceMs: number): Promise<readonly Job[]>;
  audit(key: JobKey): Promise<readonly AuditRecord[]>;
  /** Whether this very record is stored at its place in the job's chain. */
  hasRecord(key: JobKey, record: AuditRecord): Promise<boolean>;
}

/** An overdue job, as the sweeper sees it. */
export interface Overdue extends JobKey {
  readonly status: Status;
}

/** A running job's lease as it was read. Times by the store's own clock, Unix ms: no host's clock matters. */
export interface SeenLease extends JobKey {
  readonly claim_id: string;
  readonly renewals: number;
  readonly lease_seconds: number;
  /** When the job was last written; whole seconds, so up to one too early. */
  readonly written_ms: number;
  /** When this was read. */
  readonly read_ms: number;
}

/** A stretch of the store's time, Unix ms, both ends in it. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the sweeper looks at, over all tenants. Every method throws StoreUnavailable. */
export interface SweptJobs {
  /** The store's own clock, Unix ms. */
  now(): Promise<number>;
  /** Jobs whose `wake_at_ms` has come, the longest overdue first; running ones among them. */
  overdue(nowMs: number, limit: number): Promise<readonly Overdue[]>;
  /**
   * Leases of running jobs whose `wake_at_ms` has come, and of those that were last written, by the store's clock, in
   * this stretch: a holder whose clock is fast names a time that comes much later.
   */
  lateLeases(nowMs: number, written: Stretch, limit: number): Promise<readonly SeenLease[]>;
  /** Whether `overdue` or `lateLeases` would find anything: mostly not, and one question costs less than two. */
  isAnyDue(nowMs: number, written: Stretch): Promise<boolean>;
}

/** A Service Bus message that says «look at this job»; ids only. */
export interface Nudge extends JobKey {
  readonly v: number;
  /** The lease its sender has seen unchanged for its whole length: whoever holds it is gone. */
  readonly dead_lease?: { readonly claim_id: string; readonly renewals: number };
  /** How often the job could not be found yet. */
  readonly looks?: number;
  /** From the dispatcher: the job's turn has come. */
  readonly grant?: Grant;
  /** From the dispatcher: no call could end before the job's deadline any more. */
  readonly late?: Proof;
}

export interface Nudges {
  /** Sends now, or to be delivered at `atMs`. Throws when Service Bus does not take it within `patienceMs`. */
  send(nudge: Nudge, options?: { atMs?: number; patienceMs?: number }): Promise<void>;
}

/** Where dead letters are kept for the operator. Every method throws StoreUnavailable. */
export interface DeadLetters {
  /** The same letter kept twice is one, and keeps what has become of it. False: it was kept before. */
  keep(letter: DeadLetter): Promise<boolean>;
  read(id: string): Promise<DeadLetter | undefined>;
  /** Newest first. */
  list(filter: DeadLetterFilter): Promise<{ letters: readonly DeadLetter[]; hasMore: boolean }>;
  /** How many a filter finds. */
  matching(filter: Omit<DeadLetterFilter, "limit" | "after">): Promise<number>;
  /** How many are kept, how many of them nobody has redriven or dismissed, and when the newest came. */
  count(): Promise<{ kept: number; untouched: number; newestAtMs: number | null }>;
}

export interface DeadLetterFilter {
  readonly tenantId?: string | undefined;
  readonly jobId?: string | undefined;
  /** As Service Bus gave it. */
  readonly reason?: string | undefined;
  /** Only letters that are older. */
  readonly beforeMs?: number | undefined;
  readonly redriven?: boolean | undefined;
  readonly dismissed?: boolean | undefined;
  readonly limit: number;
  /** Only letters that come after this one in the list. */
  readonly after?: Pick<DeadLetter, "id" | "at_ms"> | undefined;
}

/** Queues whose messages are of use even if their job has ended: they are sent again as they were. */
export type OtherQueue = "deliveries" | "batches";

/** A nudge that Service Bus gave up on, as it is kept in `control`. */
export interface DeadLetter {
  readonly id: string;
  readonly message_id: string;
  /** With whatever else the message said. Null: the message was none of its queue's. */
  readonly nudge: Nudge | null;
  /** Which queue gave it up; absent: one of those of jobs. */
  readonly queue?: OtherQueue;
  readonly reason: string;
  readonly description: string;
  readonly at_ms: number;
  /** What an operator made of it last; absent: nothing yet. */
  readonly redriven?: Redriven;
  /** Who said that nothing needs to be done. */
  readonly dismissed?: { readonly actor: string; readonly at_ms: number };
}

export interface Redriven {
  /** A live job is nudged; an ended one is made anew. */
  readonly outcome: "nudged" | "new_job";
  /** The job that runs for it: the letter's own, or the new one. */
  readonly job_id: string;
  readonly actor: string;
  readonly at_ms: number;
}
