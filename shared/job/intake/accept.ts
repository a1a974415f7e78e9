import { type AuditRecord, GENESIS_HASH, nextRecord } from "../../audit/record.ts";
import type { Priority } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import { STORED_VERSION } from "../../store.ts";
import type { Endpoint, Job, Queued, StoredRequest } from "../job.ts";

/** A validated submit, as the HTTP edge hands it over. */
export interface Submission {
  readonly endpoint: Endpoint;
  readonly model: string;
  /** The JSON text of the envelope's `body`, as received. */
  readonly bodyText: string;
  readonly priority: Priority;
  readonly metadata: Readonly<Record<string, string>>;
  readonly notBeforeMs: number | null;
  readonly deadlineMs: number;
  readonly envelopeSha256: string;
  /** Where the client waits for the answer on its connection: what its automatic retry is known by. */
  readonly coalesce?: string;
}

export interface Accepted<J extends Job = Job> {
  readonly job: J;
  readonly request: StoredRequest;
  readonly records: readonly AuditRecord[];
}

/**
 * A job's id follows from tenant and idempotency key, so that a repeated submit meets the same item. Ids are
 * `job_` and 32 hex digits (128 bits): no two keys of all tenants will ever share one by chance.
 */
export function jobIdOfKey(tenantId: string, idempotencyKey: string): string {
  const digest = sha256Hex(`${tenantId}\u0000${idempotencyKey}`);
  return `job_${digest.slice(0, 32)}`;
}

/** The job an ended one is made into when it is redriven: always the same, so that a second redrive meets it. */
export function jobIdOfRedrive(tenantId: string, jobId: string): string {
  const digest = sha256Hex(`redrive\u0000${tenantId}\u0000${jobId}`);
  return `job_${digest.slice(0, 32)}`;
}

export interface AcceptedBy {
  readonly tenantId: string;
  readonly jobId: string;
  readonly actor: string;
  readonly nowMs: number;
  readonly nudgeGraceMs: number;
  /** The ended job that this one is made of. */
  readonly redrivenFrom?: string;
}

export function acceptJob(submission: Submission, by: AcceptedBy): Accepted<Queued> {
  const { nowMs } = by;
  const due = Math.max(nowMs, submission.notBeforeMs ?? 0);
  const record = nextRecord({ seq: 0, hash: GENESIS_HASH }, by.jobId, nowMs, {
    event: "accepted",
    actor: by.actor,
    request_sha256: submission.envelopeSha256,
    reason: by.redrivenFrom === undefined ? null : `redriven from ${by.redrivenFrom}`,
  });
  const job: Queued = {
    others: { v: STORED_VERSION },
    tenant_id: by.tenantId,
    job_id: by.jobId,
    status: "queued",
    endpoint: submission.endpoint,
    model: submission.model,
    priority: submission.priority,
    metadata: submission.metadata,
    envelope_sha256: submission.envelopeSha256,
    created_at_ms: nowMs,
    not_before_ms: submission.notBeforeMs,
    deadline_ms: submission.deadlineMs,
    started_at_ms: null,
    wake_at_ms: Math.min(due + by.nudgeGraceMs, submission.deadlineMs),
    nudges_resent: 0,
    waiting: null,
    attempts: 0,
    attempts_spent: 0,
    refused_by: [],
    tried: [],
    deployment: null,
    provider: null,
    simulated: false,
    cost: null,
    last_failure: null,
    ...(by.redrivenFrom === undefined ? {} : { redriven_from: by.redrivenFrom }),
    ...(submission.coalesce === undefined ? {} : { coalesce: submission.coalesce }),
    audit_seq: record.seq,
    audit_hash: record.hash,
  };
  return { job, request: { body: submission.bodyText }, records: [record] };
}
