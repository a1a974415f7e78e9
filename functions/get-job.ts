import type { HttpResponseInit } from "@azure/functions";
import { etagOf, jobJson, matchesEtag, retryAfterSeconds } from "../shared/http/job-resource.ts";
import { jobIdOf, waitSeconds } from "../shared/http/parameters.ts";
import { awaitEnd } from "../shared/job/await-end.ts";
import { type EndingDeps, jobNotFound } from "../shared/job/cancel.ts";
import { hasEnded } from "../shared/job/job.ts";
import { type Entrance, tenantRoute } from "./http.ts";

/** GET /api/jobs/{id}, with `If-None-Match` and `Prefer: wait=N` */
export function registerGetJob(deps: EndingDeps & { readonly entrance: Entrance }): void {
  const options = { name: "get-job", method: "GET", route: "jobs/{id}" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant }) => {
    const key = { tenant_id: tenant.id, job_id: jobIdOf(request.params.id ?? "") };
    const asked = waitSeconds(request.headers.get("prefer"));
    const goOn = asked > 0 ? deps.entrance.door.hold(tenant) : undefined;
    const wait = goOn === undefined ? 0 : asked;
    const found = await awaitEnd(deps, key, wait).finally(goOn);
    if (found === undefined) throw jobNotFound(key);
    const { value: job } = found.job;
    const etag = etagOf(found.job.etag);
    const headers: Record<string, string> = { etag, "cache-control": "private, no-cache" };
    if (!hasEnded(job.status)) headers["retry-after"] = String(retryAfterSeconds(job, deps.clock.now()));
    if (wait > 0) headers["preference-applied"] = `wait=${wait}`;
    if (matchesEtag(request.headers.get("if-none-match"), etag)) return { status: 304, headers };
    const answer: HttpResponseInit = {
      status: 200,
      headers: { ...headers, "content-type": "application/json" },
      body: jobJson(job, found.response ?? null),
    };
    return answer;
  });
}
