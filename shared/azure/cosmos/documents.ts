import { z } from "zod";
import { BATCH_STATUSES } from "../../batch/batch.ts";
import { MAX_TIME_MS } from "../../bounds.ts";
import { EVENT_TYPES } from "../../event-type.ts";
import { PURPOSES } from "../../files/file.ts";
import { ENDPOINTS } from "../../model/endpoint.ts";
import { operationFields } from "../../operation/operation.ts";
import { PRIORITIES } from "../../priority.ts";
import { document } from "../../store.ts";
import { DELIVERY_STATUSES, FAILURES } from "../../webhook/delivery.ts";
import { DISABLED_REASONS } from "../../webhook/endpoint.ts";
import { SEND_ERRORS } from "../../webhook/send.ts";

/** Documents of all kinds but overrides, which their room has, and those of quota. */

/** Several fields of one type. */
export function each<T, const Name extends string>(type: T, ...names: Name[]): Record<Name, T> {
  return Object.fromEntries(names.map((name) => [name, type])) as Record<Name, T>;
}

/** An item as it is: for the audit's proof, which says itself what does not hold. */
export const rawItem = z.looseObject({ id: z.string() });

const text = z.string();
const textOrNull = text.nullable();
const seq = z.int().positive();
const timeMs = z.number().min(0).max(MAX_TIME_MS);
const decimal = text.regex(/^\d+(\.\d+)?$/, "is not a decimal");

export const inScope = { scope: text };
const ofTenant = { tenant_id: text };
export const jobKey = z.looseObject({ ...ofTenant, job_id: text });

const chunks = z.looseObject({
  ...{ content_id: text, sha256: text, count: z.int().min(1).max(100_000), bytes: z.number() },
});
/** One of the two. */
const bodyFields = { body: text.exactOptional(), chunks: chunks.exactOptional() };
export const bodyDocument = z.looseObject(bodyFields);
export const requestDocument = document("request", { ...jobKey.shape, ...bodyFields });
export const responseDocument = document("response", {
  ...{ ...jobKey.shape, status_code: z.int(), request_id: textOrNull, ...bodyFields },
});
export const chunkDocument = document("chunk", { ...jobKey.shape, text });
export const writingDocument = document("writing", {
  ...{ ...jobKey.shape, content_id: text, wake_at_ms: timeMs },
});
/** Which one it is stands where jobs have their id. */
const ofFile = jobKey.shape;
export const fileDocument = document("file", {
  ...{ ...ofFile, filename: text, purpose: z.enum(PURPOSES), bytes: z.number(), created_at_ms: timeMs },
  ...{ expires_at_ms: timeMs.nullable(), even_pages: z.int().exactOptional() },
  ...{ listed: text, due_at_ms: timeMs.exactOptional() },
});
const page = z.looseObject({ id: text, bytes: z.int().positive() });
export const filePagesDocument = document("file_pages", { ...ofFile, pages: z.array(page) });
export const fileWritingDocument = document("file_writing", { ...ofFile, due_at_ms: timeMs });

const fault = z.looseObject({
  ...each(text, "code", "message"),
  param: textOrNull,
  line: z.int().nullable(),
});
const batchUsage = z.looseObject(
  each(z.number(), "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "total_tokens"),
);
export const batchDocument = document("batch", {
  ...{ ...jobKey.shape, endpoint: z.enum(ENDPOINTS), status: z.enum(BATCH_STATUSES) },
  ...each(text, "input_file_id", "completion_window", "actor", "listed"),
  ...each(timeMs, "created_at_ms", "expires_at_ms"),
  ...{ metadata: z.record(text, text), times: z.record(text, timeMs), faults: z.array(fault) },
  ...each(z.int().nonnegative(), "total", "completed", "failed", "expired", "unknown_costs", "turn"),
  usage: batchUsage,
  costs: z.array(z.looseObject({ amount: decimal, currency: text })),
  counts_as_of_ms: timeMs.nullable(),
  ...each(textOrNull, "output_file_id", "error_file_id"),
  ...{ retries: text.exactOptional(), output_expires_after: z.number().exactOptional() },
  ...{ due_at_ms: timeMs.exactOptional(), validate: z.literal(true).exactOptional() },
});
export const progressDocument = document("progress", {
  ...{ ...jobKey.shape, cursor: z.object(each(z.int().nonnegative(), "offset", "line", "lines")) },
  ...{ is_read: z.boolean(), reported: text, output: z.array(page), errors: z.array(page) },
  ...each(z.number(), "seen_ts", "checked_at_ms", "check_from"),
});
export const pageDocument = document("page", { ...ofTenant, file_id: text, text });

const costs = z.looseObject({ amount: decimal, currency: text });

/** Absent `about`: the job itself, as a version before stored it. */
export const outboxDocument = document("outbox", {
  ...{ ...jobKey.shape, event: z.enum(EVENT_TYPES), about: text.exactOptional(), at_ms: timeMs },
  look_at_ms: timeMs.exactOptional(),
});

export const comparisonDocument = document("comparison", {
  ...{ ...jobKey.shape, endpoint: z.enum(ENDPOINTS), models: z.array(text), priority: z.enum(PRIORITIES) },
  ...{ metadata: z.record(text, text), envelope_sha256: text, actor: text, validated: z.boolean() },
  ...each(timeMs, "created_at_ms", "deadline_ms", "content_until_ms"),
  end: z
    .looseObject({
      at_ms: timeMs,
      ...each(z.int().nonnegative(), "completed", "failed"),
      cost: costs.nullable(),
    })
    .exactOptional(),
  ...{ cancelled_by: text.exactOptional(), erased_by: text.exactOptional() },
  ...{ wake_at_ms: timeMs.exactOptional(), comparison: z.looseObject({ place: text }) },
});

export const operationDocument = document("operation", operationFields);

const sealed = z.looseObject(each(text, "kid", "nonce", "sealed"));
const endpoint = z.looseObject({
  ...{ ...each(text, "id", "name", "url", "secret_hint"), event_types: z.array(z.enum(EVENT_TYPES)) },
  ...{ secret: sealed, previous_secret: sealed.exactOptional() },
  previous_secret_until_ms: timeMs.exactOptional(),
  ...{ ...each(timeMs, "created_at_ms", "updated_at_ms"), failing_since_ms: timeMs.exactOptional() },
  disabled: z.looseObject({ at_ms: timeMs, reason: z.enum(DISABLED_REASONS) }).exactOptional(),
});
export const endpointsDocument = document("webhook_endpoints", {
  ...{ ...jobKey.shape, endpoints: z.array(endpoint) },
});
export const heardDocument = document("webhook_listeners", {
  ...{ ...inScope, heard: z.record(text, z.array(z.enum(EVENT_TYPES))) },
});

const attempt = z.looseObject({
  ...{ at_ms: timeMs, latency_ms: z.number(), status_code: z.int().nullable() },
  ...{ error: z.enum(SEND_ERRORS).nullable(), retry_after_ms: z.number().exactOptional() },
});
export const deliveryDocument = document("delivery", {
  ...{ ...jobKey.shape, ...each(text, "event_id", "about"), event: z.enum(EVENT_TYPES), at_ms: timeMs },
  delivery: z.looseObject({ ...each(text, "id", "endpoint"), status: z.enum(DELIVERY_STATUSES) }),
  ...{ failure: z.enum(FAILURES).nullable(), attempts: z.array(attempt) },
  ...{ ...each(z.int().nonnegative(), "tries", "put_off"), due_ms: timeMs.nullable(), since_ms: timeMs },
  look_at_ms: timeMs.exactOptional(),
});

/** The end of a job's event log. */
export const eventLogDocument = document("event_log", {
  ...{ ...jobKey.shape, claim_id: text, attempt: z.int().min(0), next: z.int().min(0), ttl: z.number() },
  ...{ ended: z.literal(true).exactOptional(), wake_at_ms: timeMs.exactOptional() },
});
const logged = z.looseObject({
  ...{ number: z.int().min(0), attempt: z.int().min(0) },
  event: z.looseObject({ data: text, isUsage: z.boolean() }).nullable(),
});
export const eventsDocument = document("events", { ...jobKey.shape, events: z.array(logged) });

const usage = z.looseObject(each(z.number().nullable(), "input_tokens", "output_tokens", "total_tokens"));
const billed = z.looseObject({ at: z.number(), model: text });
/** Events and outcomes are shown and hashed as they are, whatever version told them. */
export const auditDocument = document("audit", {
  ...{ ...jobKey.shape, seq, at: z.number(), ...each(text, "event", "actor", "prev_hash", "hash") },
  ...each(textOrNull, "deployment", "provider", "outcome", "reason", "request_sha256", "response_sha256"),
  ...each(z.number().nullable(), "attempt", "latency_ms"),
  simulated: z.boolean().nullable(),
  usage: usage.nullable(),
  cost: costs.nullable(),
  estimate: costs.nullable().exactOptional(),
  ...{ format: z.number().exactOptional(), audit_until: z.number().nullable().exactOptional() },
  ...{ content_until: z.number().exactOptional(), body_sha256: text.exactOptional() },
  stored_sha256: text.exactOptional(),
  billed: billed.exactOptional(),
});
/** The same in its job's item, which says all else. */
export const recordFields = auditDocument.omit({ id: true, v: true, kind: true, tenant_id: true });
/** The fields of an audit record that usage is summed from. */
export const billedCall = auditDocument
  .pick(each(true, "id", "v", "tenant_id", "job_id", "attempt", "event", "provider", "simulated"))
  .extend({ usage: usage.nullable(), cost: costs.nullable(), billed });
/** The fields of a job's item that it is summed from. */
export const billedJob = auditDocument
  .pick(each(true, "id", "v", "tenant_id", "job_id"))
  .extend({ first_records: z.array(z.looseObject({})), billed });

export const controlHeadDocument = document("audit_head", { ...inScope, seq, hash: text });
export const controlRecordDocument = document("audit", {
  ...{ ...inScope, seq, at: z.number() },
  ...each(text, "event", "actor", "change_id", "prev_hash", "hash"),
  reason: textOrNull,
  details: z.record(text, z.json()),
  items: z.record(text, textOrNull).exactOptional(),
});
export const controlChangeDocument = document("audit_change", { ...inScope, seq });

const redriven = z.looseObject({
  ...{ outcome: z.enum(["nudged", "new_job"]), job_id: text, actor: text, at_ms: z.number() },
});
export const deadLetterDocument = document("dead_letter", {
  ...{ ...inScope, ...each(text, "message_id", "reason", "description"), at_ms: z.number() },
  nudge: z.looseObject({ v: z.number(), ...jobKey.shape }).nullable(),
  // Of another queue than jobs have: not a nudge, lest a version that knows no such letters makes a job of it.
  queue: z.enum(["deliveries", "batches"]).exactOptional(),
  message: z.looseObject({ v: z.number(), ...jobKey.shape }).nullish(),
  redriven: redriven.exactOptional(),
  dismissed: z.looseObject({ actor: text, at_ms: z.number() }).exactOptional(),
});

const reservation = z.looseObject({
  ...{ ...each(text, "job_id", "claim_id", "day"), attempt: z.int(), amount: decimal },
  ...{
    was: decimal.exactOptional(),
    charged: z.literal(true).exactOptional(),
    unlimited: text.exactOptional(),
  },
  ...each(timeMs, "since_ms", "look_at_ms"),
});
const tokens = z.number().min(0).max(1e12);
const account = z.looseObject({
  ...{ ...each(text, "month", "currency"), spent: decimal, days: z.record(text, decimal) },
  reservations: z.array(reservation),
  usual: z.record(text, z.looseObject({ answers: z.int(), tokens })).exactOptional(),
  corrections: z.array(text).exactOptional(),
});
export const budgetDocument = document("budget", {
  ...{ ...inScope, ...ofTenant, ...each(text, "month", "currency"), account },
  look_at_ms: z.number().exactOptional(),
});

export const keyUseDocument = document("key_use", { ...inScope, ...ofTenant, used_ms: timeMs });

const watched = z.looseObject({
  ...{ ...jobKey.shape, claim_id: text, renewals: z.int(), since_ms: z.number() },
});
export const watchedLeasesDocument = document("watched_leases", { ...inScope, leases: z.array(watched) });

const sweepReport = z.looseObject(each(z.number(), "overdue", "nudged", "watched", "lostLeases"));
const round = z.looseObject({
  ...{ ...each(z.number(), "at_ms", "took_ms"), instance: text, failure: textOrNull },
  report: sweepReport.nullable(),
});
export const sweepRoundDocument = document("sweep_round", { ...inScope, round });

export const sealHeadDocument = document("seal_head", {
  ...{ ...inScope, n: seq, to_ts: z.number(), hash: text },
});
export const sealDocument = document("seal", {
  ...{ ...inScope, n: seq, ...each(z.number(), "from_ts", "to_ts", "sealed_at") },
  ...each(z.int().nonnegative(), "leaves", "chunks"),
  ...each(text, "run", "root", "prev_hash", "hash"),
  until: z.number().nullable(),
});
const leafAt = { seq, hash: text, until: z.number().nullable() };
const leaf = z.union([
  z.looseObject({ ...jobKey.shape, ...leafAt }),
  z.looseObject({ ...inScope, ...leafAt }),
]);
export const sealLeavesDocument = document("seal_leaves", { ...inScope, leaves: z.array(leaf) });
