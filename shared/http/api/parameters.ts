import { z } from "zod";
import {
  DEFAULT_LIST_LIMIT,
  MAX_IDEMPOTENCY_KEY_CHARS,
  MAX_LIST_LIMIT,
  MAX_MODEL_NAME_CHARS,
  MAX_OPS_REASON_CHARS,
  MAX_WAIT_SECONDS,
} from "../../limits.ts";

/** Parameters that several routes take. In a query and in headers every value is a text. */

/** `job_` and 32 lower-case hex digits, as jobs are given. */
export const JOB_ID = /^job_[0-9a-f]{32}$/;

/** The job of a path. An id that cannot be one names no job. */
export const jobInPath = {
  schema: z.object({
    id: z
      .string()
      .regex(JOB_ID, "There is no such job: a job's id is `job_` and 32 lower-case hex digits.")
      .describe("The job's id."),
  }),
  absent: "job_not_found",
} as const;

const WHICH_LIMIT = `must be a whole number from 1 to ${MAX_LIST_LIMIT}`;
export const limit = z
  .string()
  .regex(/^\d{1,3}$/, WHICH_LIMIT)
  .transform(Number)
  .pipe(z.int().min(1, WHICH_LIMIT).max(MAX_LIST_LIMIT, WHICH_LIMIT))
  .default(DEFAULT_LIST_LIMIT)
  .describe("How many.");

/** Where a page of jobs goes on. */
export const afterJob = z
  .string()
  .regex(JOB_ID, "must be the id of a job, as in `last_id`")
  .optional()
  .describe("The `last_id` of the page before.");

const WHICH_NAME = `must have 1 to ${MAX_MODEL_NAME_CHARS} characters`;
/** A name to filter by. */
export const name = z.string().min(1, WHICH_NAME).max(MAX_MODEL_NAME_CHARS, WHICH_NAME);

const WHICH_KEY = `must have 1 to ${MAX_IDEMPOTENCY_KEY_CHARS} visible ASCII characters`;
/** RFC 9110 lets a header hold spaces between visible characters. */
export const idempotencyKey = z
  .string()
  .max(MAX_IDEMPOTENCY_KEY_CHARS, WHICH_KEY)
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, WHICH_KEY);

/** W3C Trace Context; one that cannot be read is none, as it says. */
export const traceparent = z
  .string()
  .optional()
  .describe("The caller's trace, which the job then belongs to.");

/** How long a client prefers to wait, seconds. */
export const prefer = z.string().optional().transform(waitSeconds);

/** `Prefer: wait=N` (RFC 7240), bounded; a preference that cannot be read is none, as the RFC says. */
export function waitSeconds(prefer: string | undefined): number {
  for (const preference of (prefer ?? "").split(",")) {
    const wait = /^\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?$/i.exec(preference)?.[1];
    if (wait !== undefined) return Math.min(Number(wait), MAX_WAIT_SECONDS);
  }
  return 0;
}

/** Why an operator changes something. */
export const operatorsReason = z
  .string()
  .min(1)
  .max(MAX_OPS_REASON_CHARS)
  .optional()
  .describe("For the audit trail.");

/** Names may hold slashes, which a client may have encoded. */
export const named = (what: string) =>
  z
    .string("The path names nothing.")
    .transform((text, context) => {
      try {
        return decodeURIComponent(text);
      } catch {
        context.addIssue("The name in the path is not well encoded.");
        return z.NEVER;
      }
    })
    .pipe(z.string())
    .describe(`The name of the ${what}.`);
