import { z } from "zod";
import { MAX_TIME_MS } from "../../bounds.ts";
import { document } from "../../store.ts";

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

export const requestDocument = document("request", { ...jobKey.shape, body: text });
export const responseDocument = document("response", {
  ...{ ...jobKey.shape, status_code: z.int(), request_id: textOrNull, body: text },
});
export const outboxDocument = document("outbox", { ...jobKey.shape, event: text, at_ms: z.number() });

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
const cost = z.looseObject({ amount: decimal, currency: text });
const billed = z.looseObject({ at: z.number(), model: text });
/** Events and outcomes are shown and hashed as they are, whatever version told them. */
export const auditDocument = document("audit", {
  ...{ ...jobKey.shape, seq, at: z.number(), ...each(text, "event", "actor", "prev_hash", "hash") },
  ...each(textOrNull, "deployment", "provider", "outcome", "reason", "request_sha256", "response_sha256"),
  ...each(z.number().nullable(), "attempt", "latency_ms"),
  simulated: z.boolean().nullable(),
  usage: usage.nullable(),
  cost: cost.nullable(),
  estimate: cost.nullable().exactOptional(),
  ...{ format: z.number().exactOptional(), audit_until: z.number().nullable().exactOptional() },
  ...{ content_until: z.number().exactOptional(), body_sha256: text.exactOptional() },
  stored_sha256: text.exactOptional(),
  billed: billed.exactOptional(),
});
/** The fields of an audit record that usage is summed from. */
export const billedCall = auditDocument
  .pick(each(true, "id", "v", "tenant_id", "job_id", "attempt", "event", "provider", "simulated"))
  .extend({ usage: usage.nullable(), cost: cost.nullable(), billed });

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
