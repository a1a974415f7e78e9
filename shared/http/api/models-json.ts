import type { Catalogue, Model, Target } from "../../model/catalogue.ts";
import { denialOf, mayUse } from "../../model/choice.ts";
import type { Tenant } from "../../tenant/tenants.ts";

/** A route is owned by no single lab. */
const ROUTE_OWNER = "switchyard";

/** GET /api/models: the models this tenant may use, and what each deployment behind them can do for it. */
export function modelsJson(catalogue: Catalogue, tenant: Tenant) {
  const data = catalogue.models.flatMap((model) => {
    const allowed = model.targets.filter((t) => denialOf(t.deployment, tenant) === undefined);
    return mayUse(tenant.allow_models, model.id) && allowed.length > 0 ? [modelResource(model, allowed)] : [];
  });
  return { object: "list", data };
}

function modelResource(model: Model, targets: readonly Target[]) {
  const deployments = targets.map((target) => target.deployment);
  const providers = new Set(deployments.map((d) => d.provider));
  return {
    id: model.id,
    object: "model",
    owned_by: providers.size === 1 ? [...providers][0] : ROUTE_OWNER,
    endpoints: [...new Set(deployments.flatMap((d) => d.endpoints))].sort(),
    capabilities: [...new Set(deployments.flatMap((d) => d.capabilities))].sort(),
    // A request goes to one deployment: what one can do and another, no request can ask for together.
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
