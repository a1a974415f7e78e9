import { z } from "zod";
import { isKnownVersion } from "../../store.ts";

/**
 * What must be true of an item for this version to read it, by its kind. Objects are loose: a field that only a
 * neighbouring version knows is kept. A union has the members this version knows; another makes the item unreadable.
 */
export function document<Kind extends string, Shape extends z.ZodRawShape>(kind: Kind, shape: Shape) {
  return z.looseObject({
    id: z.string(),
    v: z.number().refine(isKnownVersion, "is not a version this one knows"),
    kind: z.literal(kind),
    ...shape,
  });
}

/** An item as it is: for the audit's proof, which says itself what does not hold. */
export const rawItem = z.looseObject({ id: z.string() });

export const inScope = { scope: z.string() };
const ofTenant = { tenant_id: z.string() };
export const jobKey = z.looseObject({ ...ofTenant, job_id: z.string() });

const decimal = z.string().regex(/^\d+(\.\d+)?$/, "is not a decimal");
const hash = z.string();
const seq = z.int().positive();
/** Unix ms. */
const ms = z.number();
const amount = z.number();

const usage = z.looseObject({ input_tokens: amount, output_tokens: amount, total_tokens: amount });
const cost = z.looseObject({ amount: decimal, currency: z.string() });

export const requestDocument = document("request", { ...jobKey.shape, body: z.string() });
export const responseDocument = document("response", {
  ...jobKey.shape,
  status_code: z.int(),
  request_id: z.string().nullable(),
  body: z.string(),
});

/** Events and outcomes are shown and hashed as they are, whatever version told them. */
const auditFields = {
  job_id: z.string(),
  seq,
  at: z.number(),
  event: z.string(),
  actor: z.string(),
  attempt: z.number().nullable(),
  deployment: z.string().nullable(),
  provider: z.string().nullable(),
  simulated: z.boolean().nullable(),
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  usage: usage.nullable(),
  cost: cost.nullable(),
  estimate: cost.nullable().exactOptional(),
  latency_ms: z.number().nullable(),
  request_sha256: z.string().nullable(),
  response_sha256: z.string().nullable(),
  prev_hash: hash,
  hash,
};
const billed = z.looseObject({ at: z.number(), model: z.string() });
export const auditDocument = document("audit", {
  ...ofTenant,
  ...auditFields,
  billed: billed.exactOptional(),
});
/** The fields of an audit record that usage is summed from. */
export const billedCall = auditDocument
  .pick({ id: true, tenant_id: true, job_id: true, attempt: true, event: true, provider: true })
  .extend({ ...auditDocument.pick({ simulated: true, usage: true, cost: true }).shape, billed });

export const controlHeadDocument = document("audit_head", { ...inScope, seq, hash });
export const controlRecordDocument = document("audit", {
  ...inScope,
  seq,
  at: z.number(),
  event: z.string(),
  actor: z.string(),
  change_id: z.string(),
  reason: z.string().nullable(),
  details: z.record(z.string(), z.json()),
  prev_hash: hash,
  hash,
});
export const controlChangeDocument = document("audit_change", { ...inScope, seq });

const nudge = z.looseObject({ v: z.number(), ...jobKey.shape });
export const deadLetterDocument = document("dead_letter", {
  ...inScope,
  message_id: z.string(),
  nudge: nudge.nullable(),
  reason: z.string(),
  description: z.string(),
  at_ms: ms,
  redriven: z
    .looseObject({
      outcome: z.enum(["nudged", "new_job"]),
      job_id: z.string(),
      actor: z.string(),
      at_ms: ms,
    })
    .exactOptional(),
});

const reservation = z.looseObject({
  job_id: z.string(),
  attempt: z.int(),
  claim_id: z.string(),
  day: z.string(),
  amount: decimal,
  since_ms: ms,
  look_at_ms: ms,
});
export const budgetDocument = document("budget", {
  ...inScope,
  ...ofTenant,
  month: z.string(),
  currency: z.string(),
  account: z.looseObject({
    month: z.string(),
    currency: z.string(),
    spent: decimal,
    days: z.record(z.string(), decimal),
    reservations: z.array(reservation),
  }),
  look_at_ms: ms.exactOptional(),
});

export const watchedLeasesDocument = document("watched_leases", {
  ...inScope,
  leases: z.array(z.looseObject({ ...jobKey.shape, claim_id: z.string(), renewals: z.int(), since_ms: ms })),
});
export const sweepRoundDocument = document("sweep_round", {
  ...inScope,
  round: z.looseObject({
    at_ms: ms,
    took_ms: ms,
    instance: z.string(),
    report: z
      .looseObject({ overdue: amount, nudged: amount, watched: amount, lostLeases: amount })
      .nullable(),
    failure: z.string().nullable(),
  }),
});

export const sealHeadDocument = document("seal_head", { ...inScope, n: seq, to_ts: z.number(), hash });
export const sealDocument = document("seal", {
  ...inScope,
  n: seq,
  from_ts: z.number(),
  to_ts: z.number(),
  sealed_at: z.number(),
  leaves: z.int(),
  chunks: z.int(),
  run: z.string(),
  until: z.number().nullable(),
  root: hash,
  prev_hash: hash,
  hash,
});
const leafAt = { seq, hash, until: z.number().nullable() };
const jobLeaf = z.looseObject({ ...jobKey.shape, ...leafAt });
const controlLeaf = z.looseObject({ scope: z.string(), ...leafAt });
export const sealLeavesDocument = document("seal_leaves", {
  ...inScope,
  leaves: z.array(z.union([jobLeaf, controlLeaf])),
});
