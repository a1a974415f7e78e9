import type { Catalogue, Deployment } from "../model/catalogue.ts";
import { mayUse } from "../model/choice.ts";
import type { Tenant } from "../tenant/tenants.ts";

/** A route is owned by no single lab. */
const ROUTE_OWNER = "switchyard";

/** GET /api/models: the models this tenant may use, and what its deployments of each can do together. */
export function modelsJson(catalogue: Catalogue, tenant: Tenant) {
  const data = catalogue.models.flatMap(({ id, targets }) => {
    const allowed = targets.filter((d) => !tenant.deny_providers.includes(d.provider));
    return mayUse(tenant.allow_models, id) && allowed.length > 0 ? [modelResource(id, allowed)] : [];
  });
  return { object: "list", data };
}

function modelResource(id: string, deployments: readonly Deployment[]) {
  const providers = new Set(deployments.map((d) => d.provider));
  return {
    id,
    object: "model",
    owned_by: providers.size === 1 ? [...providers][0] : ROUTE_OWNER,
    endpoints: [...new Set(deployments.flatMap((d) => d.endpoints))].sort(),
    capabilities: [...new Set(deployments.flatMap((d) => d.capabilities))].sort(),
  };
}
