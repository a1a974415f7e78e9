import { z } from "zod";
import { AUDIT_EVENTS } from "../audit/record.ts";
import { ERRORS } from "../errors.ts";
import { ENDPOINTS, PRIORITIES, STATUSES } from "../job/job.ts";
import {
  DEFAULT_LIST_LIMIT,
  MAX_IDEMPOTENCY_KEY_CHARS,
  MAX_LIST_LIMIT,
  MAX_WAIT_SECONDS,
} from "../limits.ts";
import { CAPABILITIES } from "../model/catalogue.ts";
import { envelopeSchema } from "./envelope.ts";
import { controlPaths, controlSchemas } from "./openapi-control.ts";
import { opsPaths, opsSchemas } from "./openapi-ops.ts";
import {
  ALWAYS,
  DOOR,
  headerOf,
  json,
  list,
  page,
  parameter,
  plain,
  problems,
  ref,
} from "./openapi-parts.ts";
import { usagePaths, usageSchemas } from "./usage.ts";

/** Shapes of what the service answers; what it takes is `envelopeSchema`, the one that validates. */
const unixSeconds = z.int().describe("Unix time, seconds.");
const usage = z
  .object({ input_tokens: z.int(), output_tokens: z.int(), total_tokens: z.int() })
  .describe("Tokens of the call that ended the job; reasoning tokens are output tokens.");
const cost = z
  .object({ amount: z.string().describe("Decimal, exact."), currency: z.string().describe("ISO 4217.") })
  .describe("Of all known attempts together.");

const job = z.object({
  id: z.string().regex(/^job_[0-9a-f]{32}$/),
  object: z.literal("job"),
  status: z.enum(STATUSES),
  endpoint: z.enum(ENDPOINTS),
  model: z.string().describe("The model the job asked for."),
  priority: z.enum(PRIORITIES),
  deployment: z.string().nullable().describe("The deployment that answered, or was called last."),
  provider: z.string().nullable().describe("The lab that made its model."),
  simulated: z.boolean().describe("True: the answer is made up."),
  attempts: z.int().describe("Calls of a deployment so far, those refused with 429 included."),
  created_at: unixSeconds,
  not_before: unixSeconds.nullable(),
  started_at: unixSeconds.nullable(),
  completed_at: unixSeconds.nullable(),
  deadline: unixSeconds,
  usage: usage.nullable(),
  cost: cost.nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  metadata: z.record(z.string(), z.string()),
  redriven_from: z.string().nullable().describe("The ended job that an operator made this one of."),
  redriven_to: z
    .string()
    .nullable()
    .describe("The job that an operator made of this one after it had ended."),
  urls: z.object({ get: z.string(), cancel: z.string(), audit: z.string() }),
  response: z
    .object({ status_code: z.int(), request_id: z.string().nullable(), body: z.looseObject({}) })
    .nullable()
    .describe("The deployment's answer, byte for byte; null in lists, before the end, and once deleted."),
});

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const auditRecord = z.object({
  job_id: z.string(),
  seq: z.int().describe("1 for the first, then without gaps."),
  at: unixSeconds,
  event: z.enum(AUDIT_EVENTS),
  actor: z.string(),
  attempt: z.int().nullable(),
  deployment: z.string().nullable(),
  provider: z.string().nullable(),
  simulated: z.boolean().nullable(),
  outcome: z.string().nullable(),
  reason: z
    .string()
    .nullable()
    .describe(
      "In `attempt_started` and `waiting`: why this target, and why others were passed over, for models with several.",
    ),
  usage: usage.nullable(),
  cost: cost.nullable(),
  estimate: cost
    .nullable()
    .optional()
    .describe(
      "In `attempt_lost` alone, whose `cost` nobody knows: what the call may have cost, by the estimate it was let in with.",
    ),
  latency_ms: z.int().nullable(),
  request_sha256: hash
    .nullable()
    .describe("Of the bytes sent to the deployment; in `accepted`, of the envelope."),
  response_sha256: hash.nullable().describe("Of the answer's bytes."),
  prev_hash: hash.describe("The hash of the record before; 64 zeros for the first."),
  hash: hash.describe("SHA-256 of the record's RFC 8785 canonical JSON without `hash`."),
});

const model = z.object({
  id: z.string(),
  object: z.literal("model"),
  owned_by: z.string(),
  endpoints: z.array(z.enum(ENDPOINTS)),
  capabilities: z.array(z.enum(CAPABILITIES)).describe("Of all its deployments together."),
  served_by: z
    .array(
      z.object({
        deployment: z.string(),
        provider: z.string(),
        endpoints: z.array(z.enum(ENDPOINTS)),
        capabilities: z.array(z.enum(CAPABILITIES)),
        context_tokens: z.int().nullable().describe("Prompt and answer; null: not declared."),
        max_output_tokens: z.int().nullable(),
        available: z.boolean().describe("False: an operator has switched it off; jobs wait or go elsewhere."),
      }),
    )
    .describe("A request goes to one of these: it must support all that the body asks for by itself."),
});

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(Object.keys(ERRORS) as [string, ...string[]]),
  faults: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  request_id: z.string(),
});

const health = z.object({
  status: z.enum(["ok", "unavailable"]),
  dependencies: z.array(
    z.object({ name: z.string(), status: z.enum(["ok", "unavailable"]), latency_ms: z.int() }),
  ),
});

const SUBMIT = [
  "invalid_json",
  "invalid_request",
  "nesting_too_deep",
  "stream_not_supported",
  "endpoint_not_supported",
  "capability_not_supported",
  "unsupported_media_type",
  "request_too_large",
  "idempotency_key_reused",
  "budget_exceeded",
  "model_not_allowed",
  "model_not_found",
] as const;

const etag = headerOf("Of this version of the job; send it back in If-None-Match.");
const retryAfter = headerOf("Seconds after which to ask again, while the job has not ended.");
const id = parameter("path", "id", "The job's id.", { type: "string" });

/** The contract, as GET /api/openapi.json answers it. */
export function openapiDocument() {
  return {
    openapi: "3.1.0",
    info: {
      title: "Switchyard",
      version: "1",
      description:
        "Asynchronous inference across every lab's models. Submit a job, get 202, poll until it has ended.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/api" }],
    security: [{ bearer: [] }, { api_key: [] }],
    paths: paths(),
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "An API key, or a Microsoft Entra access token.",
        },
        api_key: { type: "apiKey", in: "header", name: "api-key" },
      },
      schemas: {
        Envelope: plain(envelopeSchema, "input"),
        Job: plain(job, "output"),
        AuditRecord: plain(auditRecord, "output"),
        Model: plain(model, "output"),
        Problem: plain(problem, "output"),
        Health: plain(health, "output"),
        ...opsSchemas,
        ...controlSchemas,
        ...usageSchemas,
      },
    },
  };
}

function paths() {
  return {
    "/jobs": {
      post: {
        operationId: "submitJob",
        summary: "Submit a job",
        parameters: [
          parameter("header", "Idempotency-Key", "The same key and envelope give the same job.", {
            type: "string",
            maxLength: MAX_IDEMPOTENCY_KEY_CHARS,
          }),
        ],
        requestBody: { required: true, content: { "application/json": { schema: ref("Envelope") } } },
        responses: {
          "202": json("Accepted: the job is stored, and will end.", ref("Job"), {
            Location: headerOf("Where the job is."),
            ETag: etag,
            "Retry-After": retryAfter,
          }),
          ...problems([...SUBMIT, ...DOOR, ...ALWAYS]),
        },
      },
      get: {
        operationId: "listJobs",
        summary: "List jobs, newest first, without their responses",
        parameters: [
          parameter("query", "status", "Only jobs of this status.", { enum: STATUSES }),
          parameter("query", "model", "Only jobs for this model.", { type: "string" }),
          parameter("query", "limit", "How many.", {
            type: "integer",
            minimum: 1,
            maximum: MAX_LIST_LIMIT,
            default: DEFAULT_LIST_LIMIT,
          }),
          parameter("query", "after", "The `last_id` of the page before.", { type: "string" }),
        ],
        responses: {
          "200": json("A page.", page("Job")),
          ...problems(["invalid_request", ...DOOR, ...ALWAYS]),
        },
      },
    },
    "/jobs/{id}": {
      get: {
        operationId: "getJob",
        summary: "Get a job",
        parameters: [
          id,
          parameter("header", "If-None-Match", "An ETag: 304 while the job is unchanged.", {
            type: "string",
          }),
          parameter(
            "header",
            "Prefer",
            `\`wait=N\` holds the answer until the job ends, up to ${MAX_WAIT_SECONDS} s.`,
            { type: "string" },
          ),
        ],
        responses: {
          "200": json("The job.", ref("Job"), { ETag: etag, "Retry-After": retryAfter }),
          "304": { description: "Unchanged." },
          ...problems(["job_not_found", ...DOOR, ...ALWAYS]),
        },
      },
      delete: {
        operationId: "deleteJob",
        summary: "Erase an ended job's request and response; its audit trail stays",
        parameters: [id],
        responses: {
          "204": { description: "Erased, now or before." },
          ...problems(["job_not_found", "job_not_ended", ...DOOR, ...ALWAYS]),
        },
      },
    },
    "/jobs/{id}/cancel": {
      post: {
        operationId: "cancelJob",
        summary: "Cancel a job that has not ended; a second time is no error",
        parameters: [id],
        responses: {
          "200": json("The cancelled job.", ref("Job")),
          ...problems(["job_not_found", "job_ended", ...DOOR, ...ALWAYS]),
        },
      },
    },
    "/jobs/{id}/audit": {
      get: {
        operationId: "listAudit",
        summary: "A job's audit trail, oldest record first",
        parameters: [id],
        responses: {
          "200": json("The whole trail.", list("AuditRecord")),
          ...problems(["job_not_found", ...DOOR, ...ALWAYS]),
        },
      },
    },
    "/models": {
      get: {
        operationId: "listModels",
        summary: "The models this tenant may use",
        responses: { "200": json("The models.", list("Model")), ...problems([...DOOR, ...ALWAYS]) },
      },
    },
    "/health": {
      get: {
        operationId: "getHealth",
        summary: "Whether the service and what it needs are there",
        security: [],
        responses: {
          "200": json("All are there.", ref("Health")),
          "503": json("Something is away.", ref("Health")),
        },
      },
    },
    "/openapi.json": {
      get: {
        operationId: "getOpenapi",
        summary: "This document",
        security: [],
        responses: { "200": json("The document.", { type: "object" }) },
      },
    },
    ...opsPaths,
    ...controlPaths,
    ...usagePaths,
  };
}
