import { openapiDocument } from "../shared/http/api/openapi.ts";
import { openRoute } from "./http.ts";

/** GET /api/openapi.json: the contract, made from the schemas that validate */
export function registerOpenapi(): void {
  const body = JSON.stringify(openapiDocument());
  openRoute({ name: "openapi", method: "GET", route: "openapi.json" }, async () => ({
    status: 200,
    headers: { "content-type": "application/json" },
    body,
  }));
}
