import { z } from "zod";
import { isEnded, type Job } from "../../job/job.ts";
import { PRIORITIES } from "../../priority.ts";
import { idempotencyKey, traceparent } from "../api/parameters.ts";
import { validateHeader } from "./validate.ts";

const SECONDS = "must be a whole number of seconds";
const seconds = z
  .string()
  .regex(/^\d{1,10}$/, SECONDS)
  .transform(Number);

/** What a request can say besides OpenAI's own: in headers, never in fields. */
export const callHeaders = z.object({
  "x-switchyard-priority": z
    .enum(PRIORITIES, `must be one of ${PRIORITIES.join(", ")}`)
    .default("high")
    .describe("Orders the tenant's own jobs when they wait for quota."),
  "x-switchyard-deadline-seconds": seconds
    .default(600)
    .describe("From when it may start: a call that has not been answered by then is given up."),
  "x-switchyard-not-before": seconds.optional().describe("Unix seconds; it is not run earlier."),
  "x-switchyard-validate": validateHeader.describe(
    "`true`: an answer that does not hold the body's own JSON schema is tried for again.",
  ),
  "Idempotency-Key": idempotencyKey
    .optional()
    .describe(
      "The same key and body give the same job, and its answer; automatic retries then go by it alone.",
    ),
  "X-Stainless-Retry-Count": z
    .string()
    .optional()
    .transform((text = "") => (/^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0))
    .describe("From OpenAI's SDKs: an automatic retry joins the job that it repeats."),
  traceparent,
  "api-key": z
    .string()
    .optional()
    .transform((key) => key !== undefined)
    .describe("A credential. Who sends it follows no redirect, and is held on one connection."),
});

export const ANSWER_HEADERS = {
  "x-switchyard-job": "The job's id at the native door.",
  "x-switchyard-deployment": "The deployment that answered.",
  "x-switchyard-provider": "The lab that made its model.",
  "x-switchyard-cost": "By the catalogue's prices, of all attempts, as in `0.000123 USD`; absent: not known.",
  "x-switchyard-validation": "Of an answer that was checked: `valid`, or `validation_unavailable`.",
  "x-switchyard-simulated": "`true` if the answer is made up.",
} as const;

/** What an answer says besides OpenAI's own. */
export function headersOf(job: Job): Record<string, string> {
  const { job_id, deployment, provider, cost, simulated } = job;
  const isKnown = Object.keys(job.unknown_costs ?? {}).length === 0;
  return {
    "x-switchyard-job": job_id,
    ...(deployment === null ? {} : { "x-switchyard-deployment": deployment }),
    ...(provider === null ? {} : { "x-switchyard-provider": provider }),
    ...(cost === null || !isKnown ? {} : { "x-switchyard-cost": `${cost.amount} ${cost.currency}` }),
    ...(isEnded(job) && job.validation !== undefined ? { "x-switchyard-validation": job.validation } : {}),
    "x-switchyard-simulated": String(simulated),
  };
}
