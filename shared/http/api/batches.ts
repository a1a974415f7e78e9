import { z } from "zod";
import { hasBatchEnded } from "../../batch/batch.ts";
import { type BatchDeps, batchOf } from "../../batch/create.ts";
import { json } from "../answer.ts";
import { batchInPath, batchResource, batchSchema } from "../openai/batches.ts";
import { route } from "../route.ts";
import { flag, secondsOf, text, unixTime, whole } from "./fields.ts";

const nativeSchema = z
  .object({
    ...batchSchema.shape,
    counts_as_of: unixTime("When the lines were last counted.").nullable(),
    ended: flag("True: nothing of it changes any more."),
    costs: z
      .array(z.object({ amount: text("Decimal."), currency: text("ISO 4217.") }))
      .describe("What its lines have cost, one for each currency."),
    unknown_cost_lines: whole("Lines with a call whose cost nobody knows: it is not in `costs`."),
  })
  .meta({ id: "Batch", title: "A batch, with its cost" });

/** Batches are made and cancelled at the OpenAI door. */
export const batchRoute = route({
  name: "get-batch",
  method: "GET",
  path: "api/batches/{id}",
  who: "tenant",
  summary: "Get a batch with what it has cost",
  params: batchInPath,
  answers: { 200: { description: "The batch.", schema: nativeSchema } },
  errors: ["batch_not_found"],
  handle: async ({ batch: deps }: { readonly batch: Pick<BatchDeps, "batches"> }, { path }, { tenant }) => {
    const { batch } = await batchOf(deps, { tenant_id: tenant.id, batch_id: path.id });
    const { counts_as_of_ms: asOf, costs, unknown_costs } = batch;
    return json(200, {
      ...batchResource(batch),
      ...{ counts_as_of: asOf === null ? null : secondsOf(asOf), ended: hasBatchEnded(batch) },
      ...{ costs, unknown_cost_lines: unknown_costs },
    });
  },
});
