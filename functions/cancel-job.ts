import { etagOf, jobJson } from "../shared/http/api/job-resource.ts";
import { jobIdOf } from "../shared/http/api/parameters.ts";
import { cancelJob, type EndingDeps } from "../shared/job/ending/cancel.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** POST /api/jobs/{id}/cancel */
export function registerCancelJob(deps: EndingDeps & { readonly entrance: Entrance }): void {
  const options = { name: "cancel-job", method: "POST", route: "jobs/{id}/cancel" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant, actor }) => {
    const key = { tenant_id: tenant.id, job_id: jobIdOf(request.params.id ?? "") };
    const { value: job, etag } = await cancelJob(deps, key, actor);
    const headers = { "content-type": "application/json", etag: etagOf(etag) };
    return { status: 200, headers, body: jobJson(job, null) };
  });
}
