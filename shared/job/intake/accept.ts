import { type AuditEntry, type AuditRecord, GENESIS_HASH, nextRecord } from "../../audit/record.ts";
import type { Priority } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import { STORED_VERSION } from "../../store.ts";
import type { OutboxItem } from "../ending/outbox.ts";
import type { Endpoint, Job, Queued, ResponseFacts, StoredRequest, TraceFields, Validate } from "../job.ts";
import type { Waiting } from "../waiting.ts";

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
  /** Decimal. Absent: it may cost whatever it costs. */
  readonly maxCost?: string | undefined;
  /** How long one of its calls may take; absent: as long as the deployment's. */
  readonly timeoutSeconds?: number | undefined;
  /** The caller's, where it sent one. */
  readonly traceparent?: string | undefined;
  /** Where the client waits for the answer on its connection: what its automatic retry is known by. */
  readonly coalesce?: string;
  /** Its client reads the answer as it comes. */
  readonly streamed?: true;
  /** Absent: its answer is not checked. */
  readonly validate?: Validate | undefined;
  /** The comparison that the job is one of. */
  readonly comparison?: string;
  /** The group that its owner puts it into. */
  readonly batchId?: string | undefined;
  /** The ended job that it is made of. */
  readonly retries?: string;
  /** It is a response of the OpenAI door. */
  readonly asResponse?: ResponseFacts;
}

export interface Accepted<J extends Job = Job> {
  readonly job: J;
  readonly request: StoredRequest;
  readonly records: readonly AuditRecord[];
  /** Of one that has ended already; absent: nothing is told. */
  readonly outbox?: readonly OutboxItem[];
}

/**
 * A job's id follows from tenant and idempotency key, so that a repeated submit meets the same item. Ids are
 * `job_` and 32 hex digits (128 bits): no two keys of all tenants will ever share one by chance.
 */
export function jobIdOfKey(tenantId: string, idempotencyKey: string): string {
  const digest = sha256Hex(`${tenantId}\u0000${idempotencyKey}`);
  return `job_${digest.slice(0, 32)}`;
}

/** The job that an ended one's owner makes of it: always the same, so that a second retry meets it. */
export function jobIdOfRetry(tenantId: string, jobId: string): string {
  return `job_${sha256Hex(`retry\u0000${tenantId}\u0000${jobId}`).slice(0, 32)}`;
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
  readonly retention: Retention;
  readonly trace?: TraceFields;
  /** The ended job that this one is made of. */
  readonly redrivenFrom?: string;
  /** It waits from the start; `reason` says so in its first record. Absent: a worker is to look at it. */
  readonly waits?: { readonly waiting: Waiting; readonly reason: string; readonly wakeAtMs: number };
}

/** Days that a job's content and its audit trail are kept after its deadline. `auditDays` 0: for ever. */
export interface Retention {
  readonly contentDays: number;
  readonly auditDays: number;
}

const DAY_MS = 86_400_000;

/** Fixed when the job is accepted: were the settings read again for each item, a change of them would let a trail go in parts. */
export function keptUntil(
  { deadline_ms }: Pick<Job, "deadline_ms">,
  { contentDays, auditDays }: Retention,
): { audit_until_ms: number | null; content_until_ms: number } {
  return {
    audit_until_ms: auditDays === 0 ? null : deadline_ms + auditDays * DAY_MS,
    content_until_ms: deadline_ms + contentDays * DAY_MS,
  };
}

/** What is not to be stored lasts as long as somebody may yet fetch its answer. */
const UNSTORED_MS = 10 * 60_000;

function untilOf({ deadlineMs, asResponse }: Submission, retention: Retention): ReturnType<typeof keptUntil> {
  const until = keptUntil({ deadline_ms: deadlineMs }, retention);
  if (asResponse?.store !== false) return until;
  return { ...until, content_until_ms: Math.min(until.content_until_ms, deadlineMs + UNSTORED_MS) };
}

const secondsOf = (ms: number) => Math.floor(ms / 1000);

export function acceptJob(submission: Submission, by: AcceptedBy): Accepted<Queued> {
  const { nowMs, waits } = by;
  const { maxCost, retries, timeoutSeconds } = submission;
  const reasons = [
    ...(by.redrivenFrom === undefined ? [] : [`redriven from ${by.redrivenFrom}`]),
    ...(retries === undefined ? [] : [`retry of ${retries}`]),
    ...(maxCost === undefined ? [] : [`max_cost ${maxCost}`]),
    ...(waits === undefined ? [] : [waits.reason]),
  ];
  const due = Math.max(nowMs, submission.notBeforeMs ?? 0);
  const until = untilOf(submission, by.retention);
  const entry: AuditEntry = {
    event: "accepted",
    actor: by.actor,
    request_sha256: submission.envelopeSha256,
    reason: reasons.length === 0 ? null : reasons.join("; "),
  };
  const record = nextRecord({ seq: 0, hash: GENESIS_HASH }, by.jobId, nowMs, entry, {
    format: 2,
    tenant_id: by.tenantId,
    audit_until: until.audit_until_ms === null ? null : secondsOf(until.audit_until_ms),
    content_until: secondsOf(until.content_until_ms),
    body_sha256: sha256Hex(submission.bodyText),
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
    wake_at_ms: waits?.wakeAtMs ?? Math.min(due + by.nudgeGraceMs, submission.deadlineMs),
    nudges_resent: 0,
    waiting: waits?.waiting ?? null,
    attempts: 0,
    attempts_spent: 0,
    refused_by: [],
    tried: [],
    deployment: null,
    provider: null,
    simulated: false,
    cost: null,
    ...(maxCost === undefined ? {} : { max_cost: maxCost }),
    ...(timeoutSeconds === undefined ? {} : { timeout_seconds: timeoutSeconds }),
    last_failure: null,
    ...by.trace,
    ...(by.redrivenFrom === undefined ? {} : { redriven_from: by.redrivenFrom }),
    ...(retries === undefined ? {} : { retries }),
    ...(submission.batchId === undefined ? {} : { batch_id: submission.batchId }),
    ...(submission.coalesce === undefined ? {} : { coalesce: submission.coalesce }),
    ...(submission.streamed === undefined ? {} : { streamed: submission.streamed }),
    ...(submission.validate === undefined ? {} : { validate: submission.validate }),
    ...(submission.comparison === undefined ? {} : { comparison: submission.comparison }),
    ...(submission.asResponse === undefined ? {} : { as_response: submission.asResponse }),
    audit_seq: record.seq,
    audit_hash: record.hash,
    first_records: [record],
    ...until,
  };
  return { job, request: { body: submission.bodyText }, records: [record] };
}
