import { z } from "zod";
import { document, inScope } from "./documents.ts";

/** Unix ms. */
const ms = z.number();
const amount = z.number();

const window = z.looseObject({
  began_ms: ms,
  began_spent: amount,
  ends_ms: ms,
  ends_exact: z.boolean(),
  least_left: amount.nullable(),
  least_ms: ms,
  risen: amount,
});
const sighting = z.looseObject({
  at_ms: ms,
  spent: amount,
  left: amount,
  rough: z.boolean().exactOptional(),
  full_ms: ms.exactOptional(),
});
const belief = z.looseObject({
  ceiling_per_second: amount.nullable(),
  per_second: amount,
  shape: z.enum(["unknown", "bucket", "window"]),
  capacity: amount,
  level: amount,
  at_ms: ms,
  drain_per_second: amount,
  factor: amount,
  spent: amount,
  window_ms: ms.nullable(),
  window: window.nullable(),
  pending: amount,
  unsure: amount,
  doubt: amount,
  seen: sighting.nullable(),
  most_seen: amount,
  expected: amount,
  grown: amount,
  silent_answers: amount,
  lowered_ms: ms,
});
const breaker = z.looseObject({
  state: z.enum(["closed", "open", "half_open"]),
  failing_jobs: z.array(z.string()),
  calls: amount,
  failures: amount,
  counted_ms: ms,
  latency_ms: ms.nullable(),
  opened_ms: ms,
  open_for_ms: ms,
  probing_until_ms: ms,
  ramp_from_ms: ms.nullable(),
});
export const poolDocument = document("quota_pool", {
  ...inScope,
  value: z.looseObject({
    pool: z.looseObject({
      requests: belief.nullable(),
      tokens: belief.nullable(),
      not_before_ms: ms,
    }),
    breakers: z.record(z.string(), breaker),
    backlog_until_ms: ms,
  }),
});

export const dispatcherLeaseDocument = document("dispatcher_lease", {
  ...inScope,
  value: z.looseObject({ holder: z.string().nullable(), renewals: z.int() }),
});

const limit = z.looseObject({ per_minute: amount.nullable(), left: amount, reset_ms: ms.nullable() });
/** A lab says what it likes: what of it was no number says nothing, and the rest of the report is heard. */
const limitHeaders = limit.nullable().catch(null);
const news = z.looseObject({
  deployment: z.string(),
  job_id: z.string(),
  taken: z.looseObject({
    tokens: amount,
    at_ms: ms,
    spent_requests: amount,
    spent_tokens: amount,
    burst_requests: amount,
    burst_tokens: amount,
  }),
  outcome: z.enum(["ok", "refused", "failed", "aborted", "unused"]),
  latency_ms: ms,
  sent_ms: ms.nullable(),
  headers: z.looseObject({ requests: limitHeaders, tokens: limitHeaders }),
  retry_after_ms: ms.nullable(),
});
export const reportDocument = document("quota_report", {
  ...inScope,
  at_ms: ms,
  report: z.looseObject({ instance: z.string(), seq: z.int(), news: z.array(news) }),
});
