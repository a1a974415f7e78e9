import { z } from "zod";
import { ENDPOINTS, isEnded, type Job, type StoredResponse } from "../../job/job.ts";
import { WAIT_REASONS, waitOf } from "../../job/waits-for.ts";
import { MAX_AHEAD } from "../../limits.ts";
import { VALIDATIONS } from "../../model/outcome.ts";
import { PRIORITIES } from "../../priority.ts";
import { STATUSES } from "../../status.ts";
import { flag, secondsOf, text, unixTime, whole } from "./fields.ts";

const parts = {
  cached_input_tokens: whole("Of the input: read from the lab's cache.").optional(),
  cache_write_tokens: whole("Of the input: written to the lab's cache.").optional(),
  audio_input_tokens: whole("Of the input: sound.").optional(),
  image_input_tokens: whole("Of the input: pictures.").optional(),
  audio_output_tokens: whole("Of the output: sound.").optional(),
  reasoning_tokens: whole("Of the output: reasoning.").optional(),
};
/** Sums over calls. */
export const tokenCounts = z
  .object({
    input_tokens: whole("Tokens of the prompts."),
    output_tokens: whole("Tokens of the answers, reasoning included."),
    total_tokens: whole("Both together."),
    ...parts,
  })
  .describe("As the deployments counted them, as far as they did.");
/** The usage of one call. */
export const callUsage = z
  .object({
    input_tokens: whole("Tokens of the prompt, the parts below included; null: not told.").nullable(),
    output_tokens: whole("Tokens of the answer, reasoning included; null: not told.").nullable(),
    total_tokens: whole("Both together; null: not told.").nullable(),
    ...parts,
    service_tier: text("The tier that served it, where it is not the ordinary one.").optional(),
    raw: z.looseObject({}).optional().describe("The deployment's own object, where it is small."),
  })
  .describe("As the deployment counted them; a part that is absent was not told.");
export const costSchema = z
  .object({
    amount: text("Decimal, exact."),
    currency: text("ISO 4217."),
  })
  .describe("By the catalogue's prices.");

const waitingSchema = z
  .object({
    reason: z
      .enum(WAIT_REASONS)
      .describe(
        "`quota`: of the deployment; `deployment_failing`, `credential_refused`, `account_empty`: the deployment is ill, and jobs try it ever more rarely until it is well; `concurrency`: it bears so many calls at a time; `budget`: the tenant's money; `switched_off`: by an operator; `scheduled`: `not_before`; `back_off`: after a failed attempt.",
      ),
    deployment: text("That it waits for, the preferred one of several.").nullable(),
    since: unixTime("When it began to wait so."),
    until: unixTime("When it is looked at again; null: when what it waits for has come.").nullable(),
    ahead: whole(
      `In line for quota: the tenant's own jobs before it there, ${MAX_AHEAD} at most; null: it is in no line, or this is a list.`,
    ).nullable(),
  })
  .describe("Why it waits, where it waits for more than a worker.");

export const jobWithoutContent = z.object({
  id: z
    .string()
    .regex(/^job_[0-9a-f]{32}$/)
    .describe("Derived from tenant and idempotency key; random without a key."),
  object: z.literal("job"),
  status: z
    .enum(STATUSES)
    .describe(
      "`queued` whenever no worker has claimed it: new, scheduled, waiting, between attempts. The last four are ends.",
    ),
  endpoint: z.enum(ENDPOINTS).describe("The OpenAI endpoint that is called."),
  model: text("The model the job asked for."),
  priority: z.enum(PRIORITIES).describe("As submitted."),
  deployment: text("The deployment that answered, or was called last.").nullable(),
  provider: text("The lab that made its model.").nullable(),
  simulated: flag("True: the answer is made up."),
  attempts: whole("Calls of a deployment so far, those refused with 429 included."),
  waiting: waitingSchema.nullable(),
  created_at: unixTime("When it was accepted, Unix time, seconds."),
  not_before: unixTime("As submitted.").nullable(),
  started_at: unixTime("When it was first claimed for a call.").nullable(),
  completed_at: unixTime("When it ended, however it ended.").nullable(),
  deadline: unixTime("It expires if it has not ended by then."),
  usage: callUsage.nullable().describe("Tokens of the call that ended the job."),
  cost: costSchema.nullable().describe("All known attempts together."),
  cost_unknown: text(
    "Why the lab may have billed more than `cost`, or some where that is null; null: it has not.",
  ).nullable(),
  max_cost: text("As submitted: the most that it may cost; decimal, exact.").nullable(),
  timeout_seconds: z.number().nullable().describe("As submitted: how long one of its calls may take."),
  incomplete: text(
    "Why the answer is not whole, in the lab's word: `length`, `content_filter`, …; null: it is.",
  ).nullable(),
  validation: z
    .enum(VALIDATIONS)
    .nullable()
    .describe(
      "Whether the answer holds the JSON schema that the body asks for; `validation_unavailable`: nobody can tell; null: it was not asked, or there is none.",
    ),
  error: z
    .object({
      code: text("One of the error codes that are a job's."),
      message: text("For people; for a refused request the deployment's own words."),
    })
    .nullable()
    .describe("Why it failed or expired."),
  metadata: z.record(z.string(), z.string()).describe("As submitted; empty once the content was deleted."),
  content_deleted_at: unixTime("When its request, response and metadata were deleted.").nullable(),
  batch_id: text(
    "The batch that it is a line of, or the group that it was submitted into; null: none.",
  ).nullable(),
  custom_id: text("What its batch calls the line; null: it is none.").nullable(),
  retries: text("The ended job that this one was made of by a retry; null: none.").nullable(),
  redriven_from: text("The ended job that an operator made this one of.").nullable(),
  redriven_to: text("The job that an operator made of this one after it had ended.").nullable(),
  urls: z
    .object({
      get: text("The job."),
      cancel: text("To POST to."),
      audit: text("Its audit trail."),
    })
    .describe("Paths on this service."),
});

export const jobSchema = z
  .object({
    ...jobWithoutContent.shape,
    response_absent: z
      .enum(["listed", "not_ended", "no_answer", "deleted", "expired"])
      .nullable()
      .describe(
        "Why `response` is null: `listed`, a list has none; `not_ended`; `no_answer`, no deployment's answer ended the job; `deleted`, by DELETE; `expired`, after its retention. Null: it is there.",
      ),
    response: z
      .object({
        status_code: whole("The deployment's HTTP status."),
        request_id: text("The deployment's own id of the call, where it gave one.").nullable(),
        body: z
          .unknown()
          .describe("The deployment's answer, byte for byte; a refusal that is no JSON as a string."),
      })
      .nullable()
      .describe(
        "Null in lists, before the end, where no deployment's answer ended the job, and once it was deleted or has expired. While a replica of the store lags behind a job's end, 503 `store_unavailable` is answered instead.",
      ),
  })
  .meta({ id: "Job", title: "A job" });

const secondsOrNull = (ms: number | null): number | null => (ms === null ? null : secondsOf(ms));

function waitingResource(
  job: Job,
  nowMs: number,
  ahead: number | null,
): z.input<typeof waitingSchema> | null {
  const wait = job.status === "queued" ? waitOf(job, nowMs) : null;
  if (wait === null) return null;
  const { reason, deployment, since_ms, until_ms } = wait;
  return { reason, deployment, since: secondsOf(since_ms), until: secondsOrNull(until_ms), ahead };
}

/**
 * A job as a client sees it, without its response.
 * @param ahead jobs before it in its line; null: it is not known
 */
export function jobResource(
  job: Job,
  nowMs: number,
  ahead: number | null = null,
): z.input<typeof jobWithoutContent> {
  const path = `/api/jobs/${job.job_id}`;
  const ended = isEnded(job) ? job : undefined;
  return {
    id: job.job_id,
    object: "job",
    status: job.status,
    endpoint: job.endpoint,
    model: job.model,
    priority: job.priority,
    deployment: job.deployment,
    provider: job.provider,
    simulated: job.simulated,
    attempts: job.attempts,
    waiting: waitingResource(job, nowMs, ahead),
    created_at: secondsOf(job.created_at_ms),
    not_before: secondsOrNull(job.not_before_ms),
    started_at: secondsOrNull(job.started_at_ms),
    completed_at: secondsOrNull(ended?.completed_at_ms ?? null),
    deadline: secondsOf(job.deadline_ms),
    usage: ended?.usage ?? null,
    cost: job.cost,
    cost_unknown: Object.values(job.unknown_costs ?? {})[0] ?? null,
    max_cost: job.max_cost ?? null,
    timeout_seconds: job.timeout_seconds ?? null,
    incomplete: ended?.incomplete ?? null,
    validation: ended?.validation ?? null,
    error: ended?.error ?? null,
    metadata: job.metadata,
    content_deleted_at: secondsOrNull(ended?.content_deleted_at_ms ?? null),
    batch_id: job.batch_id ?? null,
    custom_id: job.custom_id ?? null,
    retries: job.retries ?? null,
    redriven_from: job.redriven_from ?? null,
    redriven_to: ended?.redriven_to ?? null,
    urls: { get: path, cancel: `${path}/cancel`, audit: `${path}/audit` },
  };
}

type Answered = Pick<StoredResponse, "status_code" | "request_id" | "body">;

/**
 * The whole job as JSON text. The deployment's answer is put in as it came, never parsed and written again, so that
 * its numbers and its hash stay what they were.
 */
export function jobJson(
  job: Job,
  response: Answered | undefined,
  nowMs: number,
  ahead: number | null = null,
): string {
  const head = JSON.stringify(jobResource(job, nowMs, ahead));
  const absent = JSON.stringify(response === undefined ? absenceOf(job) : null);
  return `${head.slice(0, -1)},"response_absent":${absent},"response":${responseJson(response)}}`;
}

function absenceOf(job: Job): "not_ended" | "no_answer" | "deleted" | "expired" {
  if (!isEnded(job)) return "not_ended";
  if (job.content_deleted) return "deleted";
  return job.has_response ? "expired" : "no_answer";
}

function responseJson(response: Answered | undefined): string {
  if (response === undefined) return "null";
  const { status_code, request_id, body } = response;
  return `{"status_code":${status_code},"request_id":${JSON.stringify(request_id)},"body":${body}}`;
}

/** The stored version's etag as HTTP wants it, in quotes. */
export function etagOf(storedEtag: string): string {
  return storedEtag.startsWith('"') ? storedEtag : `"${storedEtag}"`;
}

const POLL_SECONDS = 1;
const MAX_POLL_SECONDS = 30;
/** What has lasted so long will last a quarter of that on, as far as anybody knows. */
const LASTS_ON = 0.25;

/**
 * When to ask again: soon for a job that may end any moment, when its wait is over where that is known, else the later
 * the longer it has waited or run.
 */
export function retryAfterSeconds(job: Job, nowMs: number): number {
  if (isEnded(job)) return 0;
  const wait = job.status === "queued" ? waitOf(job, nowMs) : null;
  const sinceMs = wait?.since_ms ?? (job.status === "queued" ? job.created_at_ms : job.lease.started_at_ms);
  const lastsMs = wait?.until_ms == null ? (nowMs - sinceMs) * LASTS_ON : wait.until_ms - nowMs;
  return Math.min(Math.max(Math.ceil(lastsMs / 1000), POLL_SECONDS), MAX_POLL_SECONDS);
}

/** What the contract says of the headers of a job's answers. */
export const JOB_HEADERS = {
  ETag: "The version of the job; send it back in If-None-Match.",
  "Retry-After": "Seconds after which to ask again, while the job has not ended.",
  "Preference-Applied": "`wait=N`, where the answer was held for at most so long.",
} as const;
