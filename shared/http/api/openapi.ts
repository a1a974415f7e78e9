import {
  DEFAULT_LIST_LIMIT,
  MAX_HELD_SUBMIT_BYTES,
  MAX_IDEMPOTENCY_KEY_CHARS,
  MAX_LIST_LIMIT,
  MAX_WAIT_SECONDS,
} from "../../limits.ts";
import { STATUSES } from "../../status.ts";
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
import { auditRecordSchema, healthSchema, jobSchema, modelSchema, problemSchema } from "./openapi-shapes.ts";
import { usagePaths, usageSchemas } from "./usage.ts";

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
const preferenceApplied = headerOf("`wait=N`, where the answer was held for at most so long.");
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
        Job: plain(jobSchema, "output"),
        AuditRecord: plain(auditRecordSchema, "output"),
        Model: plain(modelSchema, "output"),
        Problem: plain(problemSchema, "output"),
        Health: plain(healthSchema, "output"),
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
          parameter(
            "header",
            "Idempotency-Key",
            "The same key and envelope give the same job, with its response once it has one.",
            {
              type: "string",
              maxLength: MAX_IDEMPOTENCY_KEY_CHARS,
            },
          ),
          parameter(
            "header",
            "Prefer",
            `\`wait=N\` holds the answer until the job ends, up to ${MAX_WAIT_SECONDS} s; it then has the response. For bodies up to ${MAX_HELD_SUBMIT_BYTES / 1024} KiB; send an \`Idempotency-Key\` with it, to ask again should the connection break.`,
            { type: "string" },
          ),
        ],
        requestBody: { required: true, content: { "application/json": { schema: ref("Envelope") } } },
        responses: {
          "202": json("Accepted: the job is stored, and will end, or has.", ref("Job"), {
            Location: headerOf("Where the job is."),
            ETag: etag,
            "Retry-After": retryAfter,
            "Preference-Applied": preferenceApplied,
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
          "200": json("The job.", ref("Job"), {
            ETag: etag,
            "Retry-After": retryAfter,
            "Preference-Applied": preferenceApplied,
          }),
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
