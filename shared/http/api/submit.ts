import canonicalize from "canonicalize";
import { z } from "zod";
import { Problem } from "../../errors.ts";
import { check, type IntakeDeps, isLong, type Submit, waitFor } from "../../job/intake/intake.ts";
import { timeFaults } from "../../job/intake/times.ts";
import { ENDPOINTS, isEnded } from "../../job/job.ts";
import {
  MAX_CALL_SECONDS,
  MAX_HELD_SUBMIT_BYTES,
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_CHARS,
  MAX_MODEL_NAME_CHARS,
  MAX_REQUEST_BYTES,
  MAX_WAIT_SECONDS,
} from "../../limits.ts";
import { PRIORITIES } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import { amountSchema } from "../../tenant/budget.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { schemaFault, schemaOf } from "../../validation/schema.ts";
import { type Answer, jsonText } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import type { ReadJson } from "../json-text.ts";
import { route } from "../route.ts";
import { type RunHereDeps, type TakenHere, takeInHere } from "../run-here.ts";
import { heldCallsOf, type Throttle } from "../throttle.ts";
import { etagOf, JOB_HEADERS, jobJson, jobSchema, retryAfterSeconds } from "./job-resource.ts";
import { idempotencyKey, prefer, traceparent } from "./parameters.ts";

/** Unix seconds as such: a number this large was meant in milliseconds. */
const MAX_UNIX_SECONDS = 1e11;
export const unixSeconds = z
  .number()
  .nonnegative()
  .max(MAX_UNIX_SECONDS, "is not in Unix seconds: it looks like milliseconds");

export const metadataPairs = z
  .record(z.string().min(1).max(MAX_METADATA_KEY_CHARS), z.string().max(MAX_METADATA_VALUE_CHARS))
  .refine((pairs) => Object.keys(pairs).length <= MAX_METADATA_PAIRS, `has over ${MAX_METADATA_PAIRS} pairs`);
export const metadata = metadataPairs
  .default({})
  .describe(`At most ${MAX_METADATA_PAIRS} pairs of strings, given back with the job.`);

/** Those of batches are made by the service, and no job gets into one by its name. */
const GROUP_ID = /^(?!batch_)[\w.-]{1,64}$/;
export const batchId = z
  .string()
  .regex(GROUP_ID, "must have 1 to 64 letters, digits, `_`, `.` or `-`, and not begin with `batch_`");

const envelopeSchema = z
  .strictObject({
    endpoint: z
      .enum(ENDPOINTS)
      .default("/v1/chat/completions")
      .describe("The OpenAI endpoint `body` is for."),
    body: z
      .looseObject({
        model: z.string().min(1).max(MAX_MODEL_NAME_CHARS).describe("A model or route of GET /api/models."),
      })
      .describe("The OpenAI request, stored and sent as received; `model` names a model of GET /api/models."),
    priority: z
      .enum(PRIORITIES)
      .default("standard")
      .describe("Orders the tenant's own jobs when they wait for quota."),
    not_before: unixSeconds.optional().describe("Unix seconds; the job is not run earlier."),
    deadline: unixSeconds.optional().describe("Unix seconds; a job that has not ended by then expires."),
    max_cost: amountSchema
      .optional()
      .describe(
        "Decimal, in the currency of the model's prices: the most that the job may cost, all attempts together. It is refused if each deployment may cost more (a token a byte of the prompt, and the longest answer), and no attempt begins that might pass it.",
      ),
    timeout_seconds: z
      .number()
      .min(1)
      .max(MAX_CALL_SECONDS)
      .optional()
      .describe(
        "A call is given up after so long, or after the deployment's own `timeout_seconds` if that is less; it may be paid for. The job goes to the next target, as far as attempts go.",
      ),
    validate: z
      .boolean()
      .optional()
      .describe(
        "True: an answer that does not hold the JSON schema that `body` asks for is no answer, though it is paid for. The job goes to the next target, as far as attempts and `max_cost` go.",
      ),
    batch_id: batchId
      .optional()
      .describe(
        "A name of the tenant's own for jobs that belong together: they are listed and cancelled by it.",
      ),
    metadata,
  })
  .meta({ id: "Envelope", title: "What a submit takes" });
type Envelope = z.output<typeof envelopeSchema>;

export interface SubmitRouteDeps extends RunHereDeps {
  readonly intake: Omit<IntakeDeps, "log" | "heldCalls">;
  readonly throttle: Throttle;
}

export const submitRoute = route({
  name: "submit-job",
  method: "POST",
  path: "api/jobs",
  who: "tenant",
  summary: "Submit a job",
  isSubmit: true,
  headers: z.object({
    "Idempotency-Key": idempotencyKey
      .optional()
      .describe("The same key and envelope give the same job, with its response once it has one."),
    Prefer: prefer.describe(
      `\`wait=N\` holds the answer until the job ends, up to ${MAX_WAIT_SECONDS} s; it then has the response. For bodies up to ${MAX_HELD_SUBMIT_BYTES / 1024} KiB. Send an \`Idempotency-Key\` with it, to ask again should the connection break.`,
    ),
    traceparent,
  }),
  body: { schema: envelopeSchema, maxBytes: MAX_REQUEST_BYTES },
  untimely: ({ intake }: SubmitRouteDeps, envelope) =>
    timeFaults(timesOf(envelope), intake.clock.now(), intake.settings.maxDeadlineSeconds).map(
      ({ about, message }) => ({ path: `/${about}`, message }),
    ),
  answers: {
    202: {
      description: "Accepted: the job is stored, and will end, or has.",
      schema: jobSchema,
      headers: { Location: "Where the job is.", ...JOB_HEADERS },
    },
  },
  errors: [
    "stream_not_supported",
    "endpoint_not_supported",
    "capability_not_supported",
    "budget_exceeded",
    "max_cost_too_low",
    "model_not_allowed",
    "model_not_found",
    "idempotency_key_reused",
  ],
  handle: (deps: SubmitRouteDeps, { body: envelope, headers, sent, untimely }, by, visit) => {
    const { endpoint, body, priority } = envelope;
    refuseModes(body);
    const fault = envelope.validate === true ? schemaFault(schemaOf(endpoint, body)) : undefined;
    if (fault !== undefined) throw invalidRequest([{ path: "/validate", message: fault }]);
    if (sent.bodyText === undefined) throw new TypeError("a valid envelope has a body");
    const submit: Submit = {
      ...{ endpoint, model: body.model, body, priority, metadata: envelope.metadata, ...timesOf(envelope) },
      bodyText: sent.bodyText,
      // The envelope as it was sent, before defaults: a client that sends the same has the same hash.
      envelopeSha256: envelopeSha256(sent),
      idempotencyKey: headers["Idempotency-Key"] ?? null,
      ...{ maxCost: envelope.max_cost, batchId: envelope.batch_id, timeoutSeconds: envelope.timeout_seconds },
      ...(envelope.validate === true ? { validate: "retry" } : {}),
      traceparent: headers.traceparent,
      refusal: untimely,
    };
    const intake = { ...deps.intake, log: visit.log, heldCalls: heldCallsOf(deps.throttle, visit) };
    const seconds = headers.Prefer > 0 && isLong(submit.bodyText) ? 0 : headers.Prefer;
    const isQuick = (p95Ms = Number.POSITIVE_INFINITY) => p95Ms < seconds * 500;
    const taking =
      seconds === 0
        ? check(intake, submit, by)().then((taken) => ({ ...taken, over: undefined }))
        : takeInHere({ ...deps, intake }, submit, by, { isQuick });
    return answered(intake, by.tenant, taking, seconds, headers.Prefer);
  },
});

async function answered(
  intake: IntakeDeps,
  tenant: Tenant,
  taking: Promise<TakenHere>,
  seconds: number,
  prefer: number,
): Promise<Answer<202>> {
  const { clock, log } = intake;
  const { job: taken, over } = await taking;
  const { found, waited } = await waitFor(intake, tenant, taken, seconds);
  // The call goes on under its lease; should this process be stopped, another makes it again.
  if (over !== undefined && !isEnded(found.job.value))
    log.warn("door_overrun", { job_id: found.job.value.job_id, wait_seconds: seconds });
  const { value: job, etag } = found.job;
  return jsonText(202, jobJson(job, found.response, clock.now()), {
    location: `/api/jobs/${job.job_id}`,
    etag: etagOf(etag),
    "retry-after": String(retryAfterSeconds(job, clock.now())),
    ...(waited ? { "preference-applied": `wait=${prefer}` } : {}),
  });
}

/** Of the canonical envelope (RFC 8785), and of the digits that its numbers lose there. */
function envelopeSha256({ value, lostNumbers }: ReadJson): string {
  const canonical = canonicalize(value) ?? "";
  return sha256Hex(lostNumbers.length === 0 ? canonical : canonical + JSON.stringify(lostNumbers));
}

function timesOf({ not_before, deadline }: Pick<Envelope, "not_before" | "deadline">) {
  const ms = (seconds: number | undefined) => (seconds === undefined ? null : Math.round(seconds * 1000));
  return { notBeforeMs: ms(not_before), deadlineMs: ms(deadline) };
}

/** Modes of a call that a stored answer cannot serve. */
export function refuseModes({ stream, background }: Readonly<Record<string, unknown>>): void {
  if (isAsked(stream)) throw new Problem("stream_not_supported", "`/body/stream` is neither false nor null.");
  if (isAsked(background)) {
    const message = "must be false or null: every job runs in the background already";
    throw invalidRequest([{ path: "/body/background", message }]);
  }
}

/** There are servers that take `"true"`, 1 and more for true. */
const isAsked = (mode: unknown) => mode !== undefined && mode !== null && mode !== false;
