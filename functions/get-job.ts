import type { HttpResponseInit } from "@azure/functions";
import { etagOf, jobJson, matchesEtag, retryAfterSeconds } from "../shared/http/api/job-resource.ts";
import { jobIdOf, waitSeconds } from "../shared/http/api/parameters.ts";
import { type EndingDeps, jobNotFound } from "../shared/job/ending/cancel.ts";
import { hasEnded } from "../shared/status.ts";
import { heldWait } from "./held-wait.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** GET /api/jobs/{id}, with `If-None-Match` and `Prefer: wait=N` */
export function registerGetJob(deps: EndingDeps & { readonly entrance: Entrance }): void {
  const options = { name: "get-job", method: "GET", route: "jobs/{id}" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant }) => {
    const key = { tenant_id: tenant.id, job_id: jobIdOf(request.params.id ?? "") };
    const asked = waitSeconds(request.headers.get("prefer"));
    const { found, headers: applied } = await heldWait(
      { ...deps, door: deps.entrance.door },
      tenant,
      key,
      asked,
    );
    if (found === undefined) throw jobNotFound(key);
    const { value: job } = found.job;
    const etag = etagOf(found.job.etag);
    const headers: Record<string, string> = { ...applied, etag, "cache-control": "private, no-cache" };
    if (!hasEnded(job.status)) headers["retry-after"] = String(retryAfterSeconds(job, deps.clock.now()));
    if (matchesEtag(request.headers.get("if-none-match"), etag)) return { status: 304, headers };
    const answer: HttpResponseInit = {
      status: 200,
      headers: { ...headers, "content-type": "application/json" },
      body: jobJson(job, found.response ?? null),
    };
    return answer;
  });
}
