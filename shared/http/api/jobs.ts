import { z } from "zod";
import type { EventLogs } from "../../events/event-logs.ts";
import type { EndDeps } from "../../job/ending/await-end.ts";
import { cancelJob, type EndingDeps, jobNotFound } from "../../job/ending/cancel.ts";
import { deleteJobContent } from "../../job/ending/delete-content.ts";
import { holdCall } from "../../job/intake/held-call.ts";
import type { IntakeDeps } from "../../job/intake/intake.ts";
import { retryJob } from "../../job/intake/retry.ts";
import type { Job } from "../../job/job.ts";
import { inLine } from "../../job/waits-for.ts";
import { MAX_AHEAD, MAX_WAIT_SECONDS } from "../../limits.ts";
import type { JobsInLine } from "../../quota/ports.ts";
import { laneOf } from "../../quota/turns/line.ts";
import { hasEnded } from "../../status.ts";
import type { JobKey } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { jsonText } from "../answer.ts";
import { matchesEtag } from "../conditional.ts";
import { type Route, route } from "../route.ts";
import { heldCallsOf, type Throttle } from "../throttle.ts";
import { text } from "./fields.ts";
import { cancelManyRoute, listRoute } from "./job-list.ts";
import { etagOf, JOB_HEADERS, jobJson, jobSchema, retryAfterSeconds } from "./job-resource.ts";
import { jobInPath, prefer } from "./parameters.ts";

export interface JobRoutesDeps extends EndingDeps, EndDeps {
  readonly events: Pick<EventLogs, "erase">;
  readonly throttle: Throttle;
  readonly jobsInLine: Pick<JobsInLine, "inLine">;
  readonly intake: Omit<IntakeDeps, "log" | "heldCalls">;
}

const keyOf = ({ id: tenant_id }: Tenant, { id: job_id }: { readonly id: string }): JobKey => ({
  tenant_id,
  job_id,
});

/** How many of its tenant's jobs are before it in its line; null: it is in none. */
async function aheadOf({ jobsInLine }: JobRoutesDeps, job: Job): Promise<number | null> {
  const place = job.status === "queued" ? inLine(job)?.place : undefined;
  if (place === undefined) return null;
  const before = await jobsInLine.inLine({ after: `${laneOf(place)}/`, before: place }, MAX_AHEAD);
  return before.length;
}

const get = route({
  name: "get-job",
  method: "GET",
  path: "api/jobs/{id}",
  who: "tenant",
  summary: "Get a job",
  params: jobInPath,
  headers: z.object({
    "If-None-Match": text("An ETag: 304 while the job is unchanged.").optional(),
    Prefer: prefer.describe(`\`wait=N\` holds the answer until the job ends, up to ${MAX_WAIT_SECONDS} s.`),
  }),
  answers: {
    200: { description: "The job.", schema: jobSchema, headers: JOB_HEADERS },
    304: { description: "Unchanged." },
  },
  errors: ["job_not_found"],
  handle: async (deps: JobRoutesDeps, { path, headers: asked }, { tenant }, visit) => {
    const key = keyOf(tenant, path);
    const waiting = { ...deps, heldCalls: heldCallsOf(deps.throttle, visit) };
    const { found, waited } = await holdCall(waiting, tenant, key, asked.Prefer);
    if (found === undefined) throw jobNotFound(key);
    const { value: job } = found.job;
    const etag = etagOf(found.job.etag);
    const nowMs = deps.clock.now();
    const headers = {
      ...(waited ? { "preference-applied": `wait=${asked.Prefer}` } : {}),
      ...(hasEnded(job.status) ? {} : { "retry-after": String(retryAfterSeconds(job, nowMs)) }),
      etag,
    };
    if (matchesEtag(asked["If-None-Match"], etag)) return { status: 304, headers };
    const ahead = await aheadOf(deps, job);
    return jsonText(200, jobJson(job, found.response, nowMs, ahead), headers);
  },
});

const remove = route({
  name: "delete-job",
  method: "DELETE",
  path: "api/jobs/{id}",
  who: "tenant",
  summary: "Erase an ended job's request, response and metadata; its audit trail stays",
  params: jobInPath,
  answers: { 204: { description: "Erased, now or before." } },
  errors: ["job_not_found", "job_not_ended"],
  handle: async (deps: JobRoutesDeps, { path }, { tenant, actor }) => {
    await deleteJobContent(deps, keyOf(tenant, path), actor);
    return { status: 204, headers: {} };
  },
});

const cancel = route({
  name: "cancel-job",
  method: "POST",
  path: "api/jobs/{id}/cancel",
  who: "tenant",
  summary: "Cancel a job that has not ended; a second time is no error",
  params: jobInPath,
  answers: { 200: { description: "The cancelled job.", schema: jobSchema } },
  errors: ["job_not_found", "job_ended"],
  handle: async (deps: JobRoutesDeps, { path }, { tenant, actor }) => {
    const { value: job, etag } = await cancelJob(deps, keyOf(tenant, path), actor);
    return jsonText(200, jobJson(job, undefined, deps.clock.now()), { etag: etagOf(etag) });
  },
});

const retry = route({
  name: "retry-job",
  method: "POST",
  path: "api/jobs/{id}/retry",
  who: "tenant",
  summary: "Make a new job of one that ended without an answer; a second time gives the same new job",
  isSubmit: true,
  params: jobInPath,
  answers: { 202: { description: "The new job.", schema: jobSchema, headers: { Location: "Where it is." } } },
  errors: [
    ...(["job_not_found", "job_not_ended", "nothing_to_retry", "request_gone"] as const),
    ...(["budget_exceeded", "max_cost_too_low", "model_not_allowed", "model_not_found"] as const),
    ...(["endpoint_not_supported", "capability_not_supported"] as const),
  ],
  handle: async (deps: JobRoutesDeps, { path }, { tenant, actor }, visit) => {
    const intake = { ...deps.intake, log: visit.log, heldCalls: heldCallsOf(deps.throttle, visit) };
    const { value: job, etag } = await retryJob(intake, keyOf(tenant, path), { tenant, actor });
    const location = `/api/jobs/${job.job_id}`;
    return jsonText(202, jobJson(job, undefined, deps.clock.now()), { location, etag: etagOf(etag) });
  },
});

export const jobRoutes: readonly Route<JobRoutesDeps>[] = [
  ...[listRoute, cancelManyRoute],
  ...[get, remove, cancel, retry],
];
