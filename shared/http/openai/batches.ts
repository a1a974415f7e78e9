import { z } from "zod";
import { BATCH_STATUSES, type Batch, hasBatchEnded, windowSeconds } from "../../batch/batch.ts";
import { type BatchDeps, batchOf, cancelBatch, createBatch } from "../../batch/create.ts";
import { endpointOf } from "../../batch/line.ts";
import { MAX_EXPIRY_SECONDS, MIN_EXPIRY_SECONDS } from "../../files/file.ts";
import {
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_CHARS,
  MAX_OPS_BODY_BYTES,
} from "../../limits.ts";
import { ENDPOINTS } from "../../model/endpoint.ts";
import type { Settings } from "../../settings.ts";
import { json } from "../answer.ts";
import { secondsOf, text, unixTime, whole } from "../api/fields.ts";
import { pageOf, pageSchema } from "../api/page.ts";
import { idempotencyKey, limit, named } from "../api/parameters.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { atPaths } from "./paths.ts";
import { validateHeader } from "./validate.ts";

export interface BatchRoutesDeps {
  readonly batch: BatchDeps;
  readonly settings: Pick<Settings, "maxDeadlineSeconds">;
}

const BATCH_ID = /^batch_[0-9a-f]{32}$/;
export const batchInPath = {
  schema: z.object({
    id: z.string().regex(BATCH_ID, "There is no batch of this id.").describe("The batch's id."),
  }),
  absent: "batch_not_found",
} as const;

const moment = (what: string) => unixTime(what).nullable();
const usageSchema = z.object({
  input_tokens: whole("Of the lines that have ended."),
  input_tokens_details: z
    .object({ cached_tokens: whole("Read from labs' caches.") })
    .describe("Parts of the input."),
  output_tokens: whole("The same."),
  output_tokens_details: z
    .object({ reasoning_tokens: whole("Of the output.") })
    .describe("Parts of the output."),
  total_tokens: whole("Both."),
});
export const batchSchema = z
  .object({
    ...{
      id: text("`batch_…`"),
      object: z.literal("batch"),
      endpoint: z.enum(ENDPOINTS).describe("Of all its lines."),
    },
    errors: z
      .object({
        object: z.literal("list"),
        data: z
          .array(
            z.object({
              code: text("`invalid_json_line`, `duplicate_custom_id`, …"),
              message: text("What is wrong, for people."),
              param: text("The field.").nullable(),
              line: whole("Of the input, from 1.").nullable(),
            }),
          )
          .describe("A hundred at most."),
      })
      .nullable()
      .describe("Why it is `failed`."),
    input_file_id: text("`file-…`"),
    completion_window: text("As it was asked for."),
    status: z.enum(BATCH_STATUSES).describe("How far it is."),
    output_file_id: text("Lines that were answered; null: none, or not yet.").nullable(),
    error_file_id: text("All other lines; null: none, or not yet.").nullable(),
    created_at: unixTime(),
    in_progress_at: moment("Since when its lines run."),
    expires_at: unixTime("The deadline of its lines."),
    finalizing_at: moment("Since when all have ended."),
    completed_at: moment("When it was completed."),
    failed_at: moment("When its input was refused."),
    expired_at: moment("When it ended with lines that were too late."),
    cancelling_at: moment("When it was cancelled."),
    cancelled_at: moment("When the last line had ended."),
    request_counts: z
      .object({
        total: whole("Lines; 0 until all are found valid."),
        completed: whole("In the output file."),
        failed: whole("In the error file."),
      })
      .describe("Its lines."),
    usage: usageSchema.describe("What its lines used."),
    metadata: z.record(z.string(), z.string()).describe("As it was sent."),
  })
  .meta({ id: "OpenaiBatch", title: "A batch" });

export function batchResource(batch: Batch): z.input<typeof batchSchema> {
  const { times, faults, usage, total, completed, failed } = batch;
  const at = (ms: number | undefined) => (ms === undefined ? null : secondsOf(ms));
  return {
    ...{ id: batch.batch_id, object: "batch", endpoint: batch.endpoint },
    errors: faults.length === 0 ? null : { object: "list", data: [...faults] },
    ...{ input_file_id: batch.input_file_id, completion_window: batch.completion_window },
    status: batch.status,
    ...{ output_file_id: batch.output_file_id, error_file_id: batch.error_file_id },
    created_at: secondsOf(batch.created_at_ms),
    in_progress_at: at(times.in_progress_at_ms),
    expires_at: secondsOf(batch.expires_at_ms),
    finalizing_at: at(times.finalizing_at_ms),
    completed_at: at(times.completed_at_ms),
    failed_at: at(times.failed_at_ms),
    expired_at: at(times.expired_at_ms),
    cancelling_at: at(times.cancelling_at_ms),
    cancelled_at: at(times.cancelled_at_ms),
    request_counts: { total, completed, failed },
    usage: {
      input_tokens: usage.input_tokens,
      input_tokens_details: { cached_tokens: usage.cached_tokens },
      output_tokens: usage.output_tokens,
      output_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
      total_tokens: usage.total_tokens,
    },
    metadata: batch.metadata,
  };
}

const HEADERS = {
  "x-switchyard-cost":
    "What its lines have cost so far, `0.0123 USD`; absent: nothing yet, or not all of it is known.",
  "openai-poll-after-ms": "When to ask again, while it has not ended.",
};
const POLL_MS = 5_000;

function headersOf(batch: Batch): Record<string, string> {
  const cost = batch.costs.map(({ amount, currency }) => `${amount} ${currency}`).join(", ");
  return {
    ...(cost === "" || batch.unknown_costs > 0 ? {} : { "x-switchyard-cost": cost }),
    ...(hasBatchEnded(batch) ? {} : { "openai-poll-after-ms": String(POLL_MS) }),
  };
}

const WINDOW =
  "must be 24h, or another number of minutes (m), hours (h) or days (d) up to the longest deadline";
const createSchema = z.object({
  input_file_id: text("A file of purpose `batch`."),
  endpoint: z
    .string()
    .transform(endpointOf)
    .pipe(z.enum(ENDPOINTS, `must be one of ${ENDPOINTS.join(", ")}`))
    .describe("That of all its lines."),
  completion_window: text(
    "`24h`, or any number of minutes (`m`), hours (`h`) or days (`d`): the lines' deadline.",
  ),
  metadata: z
    .record(z.string().max(MAX_METADATA_KEY_CHARS), z.string().max(MAX_METADATA_VALUE_CHARS))
    .refine(
      (pairs) => Object.keys(pairs).length <= MAX_METADATA_PAIRS,
      `has over ${MAX_METADATA_PAIRS} pairs`,
    )
    .nullish()
    .describe("Given back with the batch, and with the job of each line."),
  output_expires_after: z
    .object({
      anchor: z.literal("created_at"),
      seconds: z.int().min(MIN_EXPIRY_SECONDS).max(MAX_EXPIRY_SECONDS),
    })
    .nullish()
    .describe("How long its files are kept; 30 days otherwise."),
});

const create = route({
  name: "create-batch",
  method: "POST",
  path: "batches",
  who: "tenant",
  summary: "Run every line of a file, of any lab's models",
  isSubmit: true,
  params: { schema: z.object({ model: named("model").optional() }), absent: "model_not_found" },
  headers: z.object({
    "Idempotency-Key": idempotencyKey.optional().describe("The same key gives the same batch."),
    "x-switchyard-validate": validateHeader.describe(
      "`true`: an answer that does not hold its line's own JSON schema is tried for again. Every line has one.",
    ),
  }),
  body: { schema: createSchema, maxBytes: MAX_OPS_BODY_BYTES },
  answers: { 200: { description: "The batch.", schema: batchSchema, headers: HEADERS } },
  errors: ["file_not_found", "budget_exceeded"],
  handle: async (deps: BatchRoutesDeps, { body, headers }, { tenant, actor }, { log }) => {
    const { completion_window: completionWindow } = body;
    const seconds = windowSeconds(completionWindow, deps.settings.maxDeadlineSeconds);
    if (seconds === undefined) throw invalidRequest([{ path: "/completion_window", message: WINDOW }]);
    const validate = headers["x-switchyard-validate"] === "true";
    if (validate && body.endpoint === "/v1/embeddings")
      throw invalidRequest([{ path: "x-switchyard-validate", message: "is not for embeddings" }]);
    const batch = await createBatch(
      { ...deps.batch, log },
      {
        ...{
          endpoint: body.endpoint,
          inputFileId: body.input_file_id,
          completionWindow,
          windowSeconds: seconds,
        },
        metadata: body.metadata ?? {},
        outputExpiresAfter: body.output_expires_after?.seconds,
        ...{ idempotencyKey: headers["Idempotency-Key"] ?? null, validate },
      },
      { tenantId: tenant.id, actor },
    );
    return json(200, batchResource(batch), headersOf(batch));
  },
});

const list = route({
  name: "list-batches",
  method: "GET",
  path: "batches",
  who: "tenant",
  summary: "List batches, newest first",
  query: z.object({
    limit,
    after: z
      .string()
      .regex(BATCH_ID, "must be the id of a batch")
      .optional()
      .describe("The last of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(batchSchema) } },
  errors: ["batch_not_found"],
  handle: async ({ batch: deps }: BatchRoutesDeps, { query }, { tenant }) => {
    const key = (batch_id: string) => ({ tenant_id: tenant.id, batch_id });
    const after = query.after === undefined ? undefined : (await batchOf(deps, key(query.after))).batch;
    const { batches, hasMore } = await deps.batches.list(tenant.id, { limit: query.limit, after });
    return json(200, pageOf(batches.map(batchResource), hasMore));
  },
});

const get = route({
  name: "retrieve-batch",
  method: "GET",
  path: "batches/{id}",
  who: "tenant",
  summary: "How far a batch is",
  params: batchInPath,
  answers: { 200: { description: "The batch.", schema: batchSchema, headers: HEADERS } },
  errors: ["batch_not_found"],
  handle: async ({ batch: deps }: BatchRoutesDeps, { path }, { tenant }) => {
    const { batch } = await batchOf(deps, { tenant_id: tenant.id, batch_id: path.id });
    return json(200, batchResource(batch), headersOf(batch));
  },
});

const cancel = route({
  name: "cancel-batch",
  method: "POST",
  path: "batches/{id}/cancel",
  who: "tenant",
  summary: "Begin no further line; a second time is no error",
  params: batchInPath,
  answers: { 200: { description: "The batch, `cancelling`.", schema: batchSchema, headers: HEADERS } },
  errors: ["batch_not_found", "batch_ended"],
  handle: async ({ batch: deps }: BatchRoutesDeps, { path }, { tenant }, { log }) => {
    const batch = await cancelBatch({ ...deps, log }, { tenant_id: tenant.id, batch_id: path.id });
    return json(200, batchResource(batch), headersOf(batch));
  },
});

export const batchRoutes: readonly Route<BatchRoutesDeps>[] = [
  ...[create, list, get, cancel].flatMap((each) =>
    atPaths(each as Route<BatchRoutesDeps>, { azure: `openai/${each.path}` }),
  ),
  // Where `AzureOpenAI` puts it that has been given a deployment; the lines say which models they are for.
  { ...create, name: "openai-azure-deployment-create-batch", path: "openai/deployments/{model}/batches" },
];
