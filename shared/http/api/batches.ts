import { z } from "zod";
import { type Batch, hasBatchEnded } from "../../batch/batch.ts";
import { type BatchDeps, batchOf } from "../../batch/create.ts";
import { resultsAfter } from "../../batch/results.ts";
import { retryFailed } from "../../batch/retry.ts";
import type { UploadDeps } from "../../files/upload.ts";
import { MAX_REQUEST_BYTES } from "../../limits.ts";
import { json } from "../answer.ts";
import { readJson } from "../json-text.ts";
import { batchInPath, batchResource, batchSchema } from "../openai/batches.ts";
import { type Route, route } from "../route.ts";
import { flag, secondsOf, text, unixTime, whole } from "./fields.ts";

export interface NativeBatchDeps {
  readonly batch: BatchDeps;
  readonly upload: UploadDeps;
}

const nativeSchema = z
  .object({
    ...batchSchema.shape,
    counts_as_of: unixTime("When the lines were last counted.").nullable(),
    ended: flag("True: nothing of it changes any more."),
    retries: text("The batch whose failed lines these are; null: none.").nullable(),
    costs: z
      .array(z.object({ amount: text("Decimal."), currency: text("ISO 4217.") }))
      .describe("What its lines have cost, one for each currency."),
    unknown_cost_lines: whole("Lines with a call whose cost nobody knows: it is not in `costs`."),
  })
  .meta({ id: "Batch", title: "A batch, with its cost" });

function nativeResource(batch: Batch): z.input<typeof nativeSchema> {
  const { counts_as_of_ms: asOf, costs, unknown_costs, retries = null } = batch;
  return {
    ...batchResource(batch),
    ...{ counts_as_of: asOf === null ? null : secondsOf(asOf), ended: hasBatchEnded(batch) },
    ...{ retries, costs: [...costs], unknown_cost_lines: unknown_costs },
  };
}

const get = route({
  name: "get-batch",
  method: "GET",
  path: "api/batches/{id}",
  who: "tenant",
  summary: "Get a batch with what it has cost",
  params: batchInPath,
  answers: { 200: { description: "The batch.", schema: nativeSchema } },
  errors: ["batch_not_found"],
  handle: async ({ batch: deps }: NativeBatchDeps, { path }, { tenant }) =>
    json(200, nativeResource((await batchOf(deps, { tenant_id: tenant.id, batch_id: path.id })).batch)),
});

const READ = /^(\d{1,6})-(\d{1,6})$/;
const results = route({
  name: "get-batch-results",
  method: "GET",
  path: "api/batches/{id}/results",
  who: "tenant",
  summary: "Get the results that a batch has so far, answered and failed lines, while it runs or later",
  params: batchInPath,
  query: z.object({
    after: z
      .string()
      .regex(READ, "must be `x-switchyard-after` of an answer before")
      .default("0-0")
      .describe("`x-switchyard-after` of the answer before: only what has come since."),
  }),
  answers: {
    200: {
      description: "A line of JSON for each, as in the batch's files.",
      type: "application/x-ndjson",
      schema: text("Lines of JSON."),
      headers: { "x-switchyard-after": "What to send as `after` to get what comes next." },
    },
  },
  errors: ["batch_not_found"],
  handle: async ({ batch: deps }: NativeBatchDeps, { path, query }, { tenant }) => {
    const { batch } = await batchOf(deps, { tenant_id: tenant.id, batch_id: path.id });
    const [output = 0, errors = 0] = query.after.split("-").map(Number);
    const { read, content } = await resultsAfter(deps, batch, { output, errors });
    const headers = { "x-switchyard-after": `${read.output}-${read.errors}` };
    return { status: 200, headers: { "content-type": "application/x-ndjson", ...headers }, body: content };
  },
});

const retry = route({
  name: "retry-failed-lines",
  method: "POST",
  path: "api/batches/{id}/retry-failed",
  who: "tenant",
  summary: "Make a batch of an ended one's failed lines; a second time gives the same new batch",
  isSubmit: true,
  params: batchInPath,
  answers: {
    202: { description: "The new batch.", schema: nativeSchema, headers: { Location: "Where it is." } },
  },
  errors: [
    ...(["batch_not_found", "batch_not_ended", "nothing_to_retry", "file_not_found"] as const),
    ...(["file_limit_reached", "budget_exceeded"] as const),
  ],
  handle: async (deps: NativeBatchDeps, { path }, { tenant, actor }, { log }) => {
    const { batch, upload } = deps;
    const made = await retryFailed(
      { ...batch, upload, readText: readJson, log },
      { tenant_id: tenant.id, batch_id: path.id },
      { actor, maxLineBytes: MAX_REQUEST_BYTES },
    );
    return json(202, nativeResource(made), { location: `/api/batches/${made.batch_id}` });
  },
});

/** Batches are made and cancelled at the OpenAI door. */
export const nativeBatchRoutes: readonly Route<NativeBatchDeps>[] = [get, results, retry];
