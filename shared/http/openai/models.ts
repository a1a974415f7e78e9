import { z } from "zod";
import { Problem } from "../../errors.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import { json } from "../answer.ts";
import { text, unixTime } from "../api/fields.ts";
import { modelsFor } from "../api/models.ts";
import { listSchema } from "../api/page.ts";
import { named } from "../api/parameters.ts";
import { route } from "../route.ts";
import { atPaths } from "./paths.ts";

export interface OpenaiModelsDeps {
  readonly catalogue: () => Catalogue;
}

const modelSchema = z
  .object({
    id: text("What a request's `model` names."),
    object: z.literal("model"),
    created: unixTime("Always 0: the catalogue does not say."),
    owned_by: text("The lab; `switchyard` for a route over several."),
  })
  .meta({ id: "OpenaiModel", title: "A model, at the OpenAI door" });

function modelsOf({ catalogue }: OpenaiModelsDeps, tenant: Parameters<typeof modelsFor>[1]) {
  return modelsFor(catalogue(), tenant).map(
    ({ id, owned_by }): z.input<typeof modelSchema> => ({ id, object: "model", created: 0, owned_by }),
  );
}

const list = route({
  name: "list-models",
  method: "GET",
  path: "models",
  who: "tenant",
  summary: "The models this tenant may use",
  answers: { 200: { description: "The models, all of them.", schema: listSchema(modelSchema) } },
  handle: async (deps: OpenaiModelsDeps, _input, { tenant }) =>
    json(200, { object: "list", data: modelsOf(deps, tenant) }),
});

const get = route({
  // The host tries functions in the order of their names, and this one's path would take the list's.
  name: "retrieve-model",
  method: "GET",
  path: "models/{*model}",
  who: "tenant",
  summary: "One model",
  params: { schema: z.object({ model: named("model") }), absent: "model_not_found" },
  answers: { 200: { description: "The model.", schema: modelSchema } },
  errors: ["model_not_found"],
  handle: async (deps: OpenaiModelsDeps, { path }, { tenant }) => {
    const model = modelsOf(deps, tenant).find(({ id }) => id === path.model);
    if (model !== undefined) return json(200, model);
    throw new Problem("model_not_found", `There is no model ${path.model} that ${tenant.id} may use.`);
  },
});

export const modelRoutes = [...atPaths(list, { azure: "openai/models" }), ...atPaths(get)];
