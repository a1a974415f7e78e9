import { modelsJson } from "../shared/http/api/models-json.ts";
import type { Catalogue } from "../shared/model/catalogue.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** GET /api/models: what this tenant may use */
export function registerListModels(deps: { catalogue: () => Catalogue; entrance: Entrance }): void {
  const options = { name: "list-models", method: "GET", route: "models" } as const;
  tenantRoute(deps.entrance, options, async (_request, { tenant }) => ({
    status: 200,
    jsonBody: modelsJson(deps.catalogue(), tenant),
  }));
}
