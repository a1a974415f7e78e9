import { z } from "zod";
import type { EventLogs } from "../../events/event-logs.ts";
import type { EndDeps } from "../../job/ending/await-end.ts";
import { cancelJob, type EndingDeps, jobNotFound } from "../../job/ending/cancel.ts";
import { deleteJobContent } from "../../job/ending/delete-content.ts";
import { holdCall } from "../../job/intake/held-call.ts";
import type { Job } from "../../job/job.ts";
import type { JobStore } from "../../job/ports.ts";
import { inLine } from "../../job/waits-for.ts";
import { MAX_AHEAD, MAX_WAIT_SECONDS } from "../../limits.ts";
import type { JobsInLine } from "../../quota/ports.ts";
import { laneOf } from "../../quota/turns/line.ts";
import { hasEnded, STATUSES } from "../../status.ts";
import type { JobKey } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { json, jsonText } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { heldCallsOf, type Throttle } from "../throttle.ts";
import { text } from "./fields.ts";
import {
  etagOf,
  JOB_HEADERS,
  jobJson,
  jobResource,
  jobSchema,
  matchesEtag,
  retryAfterSeconds,
} from "./job-resource.ts";
import { pageOf, pageSchema } from "./page.ts";
import { JOB_ID, jobInPath, limit, name, prefer } from "./parameters.ts";

export interface JobRoutesDeps extends EndingDeps, EndDeps {
  readonly events: Pick<EventLogs, "erase">;
  readonly throttle: Throttle;
  readonly jobsInLine: Pick<JobsInLine, "inLine">;
}

const list = route({
  name: "list-jobs",
  method: "GET",
  path: "api/jobs",
  who: "tenant",
  summary: "List jobs, newest first, without their responses",
  query: z.object({
    status: z
      .enum(STATUSES, `must be one of ${STATUSES.join(", ")}`)
      .optional()
      .describe("Only jobs of this status."),
    model: name.optional().describe("Only jobs for this model."),
    limit,
    after: z
      .string()
      .regex(JOB_ID, "must be the id of a job, as in `last_id`")
      .optional()
      .describe("The `last_id` of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(jobSchema) } },
  handle: async ({ store, clock }: JobRoutesDeps, { query: { after: afterId, ...filter } }, { tenant }) => {
    const after = afterId === undefined ? undefined : await cursor(store, tenant.id, afterId);
    const { jobs, hasMore } = await store.list(tenant.id, { ...filter, after });
    return json(
      200,
      pageOf(
        jobs.map((job) => ({ ...jobResource(job, clock.now()), response_absent: "listed", response: null })),
        hasMore,
      ),
    );
  },
});

async function cursor(store: JobStore, tenant_id: string, job_id: string) {
  const stored = await store.read({ tenant_id, job_id });
  if (stored !== undefined) return stored.value;
  throw invalidRequest([
    { path: "after", message: "must be the id of a job of this tenant, as in `last_id`" },
  ]);
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

export const jobRoutes: readonly Route<JobRoutesDeps>[] = [list, get, remove, cancel];
