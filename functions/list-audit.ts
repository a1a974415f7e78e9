import { jobIdOf } from "../shared/http/api/parameters.ts";
import { jobNotFound } from "../shared/job/ending/cancel.ts";
import type { JobStore } from "../shared/job/ports.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** GET /api/jobs/{id}/audit: the whole trail, oldest first */
export function registerListAudit(deps: { store: JobStore; entrance: Entrance }): void {
  const options = { name: "list-audit", method: "GET", route: "jobs/{id}/audit" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant }) => {
    const key = { tenant_id: tenant.id, job_id: jobIdOf(request.params.id ?? "") };
    const data = await deps.store.audit(key);
    // Every job has its `accepted` record as long as the trail is kept.
    if (data.length === 0) throw jobNotFound(key);
    return { status: 200, jsonBody: { object: "list", data } };
  });
}
