import { z } from "zod";
import { poolRecordSchema } from "../../quota/pool-record.ts";
import { document } from "../../store.ts";
import { each, inScope } from "./documents.ts";

const text = z.string();
const number = z.number();
const numberOrNull = number.nullable();

export const poolDocument = document("quota_pool", { ...inScope, value: poolRecordSchema.loose() });

export const dispatcherLeaseDocument = document("dispatcher_lease", {
  ...inScope,
  value: z.looseObject({ holder: text.nullable(), renewals: z.int(), resumes_ms: number.exactOptional() }),
});

const limit = z.looseObject({ per_minute: numberOrNull, left: number, reset_ms: numberOrNull });
/** A lab says what it likes: what of it was no number says nothing, and the rest of the report is heard. */
const limitHeaders = limit.nullable().catch(null);
const taken = z.looseObject({
  ...each(number, "tokens", "at_ms", "spent_requests", "spent_tokens", "burst_requests", "burst_tokens"),
});
const news = z.looseObject({
  ...{ deployment: text, job_id: text, taken, latency_ms: number },
  ...{ tenant_id: text.exactOptional(), used_tokens: number.exactOptional() },
  outcome: z.enum(["ok", "refused", "failed", "aborted", "unused"]),
  ...each(numberOrNull, "sent_ms", "retry_after_ms"),
  headers: z.looseObject({ requests: limitHeaders, tokens: limitHeaders }),
  straight: z.boolean().exactOptional(),
});
export const reportDocument = document("quota_report", {
  ...{ ...inScope, at_ms: number },
  report: z.looseObject({ instance: text, seq: z.int(), news: z.array(news) }),
});
