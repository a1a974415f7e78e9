import { z } from "zod";
import { CAPABILITIES, type Catalogue, type Model, type Target } from "../../model/catalogue.ts";
import { denialOf, mayUse } from "../../model/choice.ts";
import { ENDPOINTS } from "../../model/endpoint.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { json } from "../answer.ts";
import { route } from "../route.ts";
import { flag, text, whole } from "./fields.ts";
import { listSchema } from "./page.ts";

export interface ModelsDeps {
  readonly catalogue: () => Catalogue;
}

const endpoints = z.array(z.enum(ENDPOINTS));
const capabilities = z.array(z.enum(CAPABILITIES));
const modelSchema = z
  .object({
    id: text("What a job's `body.model` names."),
    object: z.literal("model"),
    owned_by: text("The lab; `switchyard` for a route over several."),
    endpoints: endpoints.describe("Those of all its deployments together."),
    capabilities: capabilities.describe("Those of all its deployments together."),
    served_by: z
      .array(
        z.object({
          deployment: text("Its name in the catalogue."),
          provider: text("The lab that made its model."),
          endpoints: endpoints.describe("Those it serves."),
          capabilities: capabilities.describe("Those it has."),
          context_tokens: whole("Prompt and answer; null: not declared.").nullable(),
          max_output_tokens: whole("The longest answer; null: not declared.").nullable(),
          available: flag("False: an operator has switched it off; jobs wait or go elsewhere."),
        }),
      )
      .describe("A request goes to one of these: it must support all that the body asks for by itself."),
  })
  .meta({ id: "Model", title: "A model" });

export const modelsRoute = route({
  name: "list-models",
  method: "GET",
  path: "api/models",
  who: "tenant",
  summary: "The models this tenant may use",
  answers: { 200: { description: "The models.", schema: listSchema(modelSchema) } },
  handle: async ({ catalogue }: ModelsDeps, _input, { tenant }) =>
    json(200, { object: "list", data: modelsFor(catalogue(), tenant) }),
});

/** The models this tenant may use, and what each deployment behind them can do for it. */
export function modelsFor(catalogue: Catalogue, tenant: Tenant) {
  return catalogue.models.flatMap((model) => {
    const allowed = model.targets.filter((t) => denialOf(t.deployment, tenant) === undefined);
    return mayUse(tenant.allow_models, model.id) && allowed.length > 0 ? [modelResource(model, allowed)] : [];
  });
}

/** No single lab owns a route. */
const ROUTE_OWNER = "switchyard";

function modelResource(model: Model, targets: readonly Target[]): z.input<typeof modelSchema> {
  const deployments = targets.map((target) => target.deployment);
  const [provider, ...others] = new Set(deployments.map((d) => d.provider));
  return {
    id: model.id,
    object: "model",
    owned_by: others.length === 0 && provider !== undefined ? provider : ROUTE_OWNER,
    endpoints: [...new Set(deployments.flatMap((d) => d.endpoints))].sort(),
    capabilities: [...new Set(deployments.flatMap((d) => d.capabilities))].sort(),
    served_by: targets.map(({ deployment: d, off }) => ({
      deployment: d.name,
      provider: d.provider,
      endpoints: [...d.endpoints].sort(),
      capabilities: [...d.capabilities].sort(),
      context_tokens: d.context_tokens ?? null,
      max_output_tokens: d.max_output_tokens ?? null,
      available: off === undefined,
    })),
  };
}
