import { jobIdOf } from "../shared/http/api/parameters.ts";
import type { EndingDeps } from "../shared/job/ending/cancel.ts";
import { deleteJobContent } from "../shared/job/ending/delete-content.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** DELETE /api/jobs/{id}: erases request and response, keeps the audit trail */
export function registerDeleteJob(deps: EndingDeps & { readonly entrance: Entrance }): void {
  const options = { name: "delete-job", method: "DELETE", route: "jobs/{id}" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant, actor }) => {
    await deleteJobContent(deps, { tenant_id: tenant.id, job_id: jobIdOf(request.params.id ?? "") }, actor);
    return { status: 204 };
  });
}
