import { Problem } from "../shared/errors.ts";
import { jobResource } from "../shared/http/api/job-resource.ts";
import { listOf } from "../shared/http/api/list.ts";
import { listQuery } from "../shared/http/api/parameters.ts";
import type { JobStore } from "../shared/job/ports.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** GET /api/jobs?status=&model=&limit=&after=, newest first; without the jobs' responses */
export function registerListJobs(deps: { store: JobStore; entrance: Entrance }): void {
  const options = { name: "list-jobs", method: "GET", route: "jobs" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant }) => {
    const { status, model, limit, after: afterId } = listQuery(new URL(request.url).searchParams);
    const after = afterId === undefined ? undefined : await cursor(deps.store, tenant.id, afterId);
    const { jobs, hasMore } = await deps.store.list(tenant.id, { status, model, limit, after });
    return {
      status: 200,
      jsonBody: listOf(
        jobs.map((job) => ({ ...jobResource(job), response: null })),
        hasMore,
      ),
    };
  });
}

async function cursor(store: JobStore, tenantId: string, jobId: string) {
  const stored = await store.read({ tenant_id: tenantId, job_id: jobId });
  if (stored !== undefined) return stored.value;
  throw new Problem("invalid_request", "`after` names no job of this tenant.", {
    faults: [{ path: "after", message: "must be the id of a job, as in `last_id`" }],
  });
}
