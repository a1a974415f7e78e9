import { z } from "zod";
import { Problem } from "../../errors.ts";
import { cancelJob, type EndingDeps } from "../../job/ending/cancel.ts";
import type { Job } from "../../job/job.ts";
import type { JobStore } from "../../job/ports.ts";
import { STATUSES } from "../../status.ts";
import type { Stored } from "../../store.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { text } from "./fields.ts";
import { jobResource, jobWithoutContent } from "./job-resource.ts";
import { pageOf, pageSchema } from "./page.ts";
import { afterJob, jobInPath, limit, name } from "./parameters.ts";

const opsJobSchema = z
  .object({ tenant_id: text("Whose job it is."), ...jobWithoutContent.shape })
  .omit({ metadata: true, custom_id: true, urls: true })
  .meta({ id: "OpsJob", title: "A job, as operators see it" });

/** No content: the tenant's own metadata and what a lab quoted of the request are not among it. */
function opsJobResource(job: Job, nowMs: number) {
  const { metadata: _, custom_id: _id, urls: _urls, ...fields } = jobResource(job, nowMs);
  return { tenant_id: job.tenant_id, ...fields };
}

const list = route({
  name: "list-ops-jobs",
  method: "GET",
  path: "api/ops/jobs",
  who: "operator",
  summary: "Operators: jobs of all tenants, newest first, without content",
  query: z.object({
    tenant: z
      .string()
      .regex(/^[\w.-]{1,64}$/, "must be the id of a tenant")
      .optional()
      .describe("Only this tenant's jobs."),
    status: z
      .enum(STATUSES, `must be one of ${STATUSES.join(", ")}`)
      .optional()
      .describe("Only jobs of this status."),
    model: name.optional().describe("Only jobs for this model."),
    limit,
    after: afterJob,
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(opsJobSchema) } },
  handle: async ({ store, clock }: EndingDeps, { query: { after: afterId, tenant, ...filter } }) => {
    const after = afterId === undefined ? undefined : (await cursor(store, afterId)).value;
    const { jobs, hasMore } = await store.list(tenant, { ...filter, after });
    const data = jobs.map((job) => opsJobResource(job, clock.now()));
    return json(200, pageOf(data, hasMore));
  },
});

async function cursor(store: JobStore, jobId: string): Promise<Stored<Job>> {
  const stored = await store.find(jobId);
  if (stored !== undefined) return stored;
  throw invalidRequest([{ path: "after", message: "must be the id of a job, as in `last_id`" }]);
}

async function found(store: JobStore, jobId: string): Promise<Stored<Job>> {
  const stored = await store.find(jobId);
  if (stored === undefined) throw new Problem("job_not_found", `There is no job ${jobId}.`);
  return stored;
}

const get = route({
  name: "get-ops-job",
  method: "GET",
  path: "api/ops/jobs/{id}",
  who: "operator",
  summary: "Operators: any tenant's job, without content",
  params: jobInPath,
  answers: { 200: { description: "The job.", schema: opsJobSchema } },
  errors: ["job_not_found"],
  handle: async ({ store, clock }: EndingDeps, { path: { id } }) => {
    const { value } = await found(store, id);
    return json(200, opsJobResource(value, clock.now()));
  },
});

const cancel = route({
  name: "cancel-ops-job",
  method: "POST",
  path: "api/ops/jobs/{id}/cancel",
  who: "operator",
  summary: "Operators: cancel any tenant's job; its audit trail says who did",
  params: jobInPath,
  answers: { 200: { description: "The cancelled job.", schema: opsJobSchema } },
  errors: ["job_not_found", "job_ended"],
  handle: async (deps: EndingDeps, { path: { id } }, { actor }) => {
    const { value: key } = await found(deps.store, id);
    const { value } = await cancelJob(deps, key, actor, "cancelled_by_operator");
    return json(200, opsJobResource(value, deps.clock.now()));
  },
});

export const opsJobRoutes: readonly Route<EndingDeps>[] = [list, get, cancel];
