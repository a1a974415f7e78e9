import { z } from "zod";
import { document } from "../../store.ts";
import { each, inScope } from "./documents.ts";

const text = z.string();
const number = z.number();
const numberOrNull = number.nullable();

const window = z.looseObject({
  ...each(number, "began_ms", "began_spent", "ends_ms", "least_ms", "risen"),
  ...{ ends_exact: z.boolean(), least_left: numberOrNull },
});
const sighting = z.looseObject({
  ...each(number, "at_ms", "spent", "left"),
  rough: z.boolean().exactOptional(),
  full_ms: number.exactOptional(),
});
const belief = z.looseObject({
  shape: z.enum(["unknown", "bucket", "window"]),
  ...each(numberOrNull, "ceiling_per_second", "window_ms"),
  ...each(number, "per_second", "capacity", "level", "at_ms", "drain_per_second", "factor", "spent"),
  ...each(number, "pending", "unsure", "doubt", "most_seen", "expected", "grown", "silent_answers"),
  lowered_ms: number,
  window: window.nullable(),
  seen: sighting.nullable(),
});
const breaker = z.looseObject({
  state: z.enum(["closed", "open", "half_open"]),
  failing_jobs: z.array(text),
  ...each(number, "calls", "failures", "counted_ms", "opened_ms", "open_for_ms", "probing_until_ms"),
  ...each(numberOrNull, "latency_ms", "ramp_from_ms"),
});
const pool = z.looseObject({
  ...{ requests: belief.nullable(), tokens: belief.nullable(), not_before_ms: number },
});
export const poolDocument = document("quota_pool", {
  ...inScope,
  value: z.looseObject({ pool, breakers: z.record(text, breaker), backlog_until_ms: number }),
});

export const dispatcherLeaseDocument = document("dispatcher_lease", {
  ...inScope,
  value: z.looseObject({ holder: text.nullable(), renewals: z.int() }),
});

const limit = z.looseObject({ per_minute: numberOrNull, left: number, reset_ms: numberOrNull });
/** A lab says what it likes: what of it was no number says nothing, and the rest of the report is heard. */
const limitHeaders = limit.nullable().catch(null);
const taken = z.looseObject({
  ...each(number, "tokens", "at_ms", "spent_requests", "spent_tokens", "burst_requests", "burst_tokens"),
});
const news = z.looseObject({
  ...{ deployment: text, job_id: text, taken, latency_ms: number },
  outcome: z.enum(["ok", "refused", "failed", "aborted", "unused"]),
  ...each(numberOrNull, "sent_ms", "retry_after_ms"),
  headers: z.looseObject({ requests: limitHeaders, tokens: limitHeaders }),
});
export const reportDocument = document("quota_report", {
  ...{ ...inScope, at_ms: number },
  report: z.looseObject({ instance: text, seq: z.int(), news: z.array(news) }),
});
