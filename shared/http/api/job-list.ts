import { z } from "zod";
import type { EndingDeps } from "../../job/ending/cancel.ts";
import { cancelMany } from "../../job/ending/cancel-many.ts";
import { isEnded, type Job, type StoredResponse } from "../../job/job.ts";
import type { JobStore } from "../../job/ports.ts";
import {
  MAX_CANCELLED_AT_ONCE,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_CHARS,
  MAX_OPS_BODY_BYTES,
  MAX_PAGE_RESPONSE_BYTES,
} from "../../limits.ts";
import { STATUSES } from "../../status.ts";
import { json, jsonText } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { route } from "../route.ts";
import { flag, whole } from "./fields.ts";
import { jobJson, jobResource, jobSchema } from "./job-resource.ts";
import { pageOf, pageSchema } from "./page.ts";
import { afterJob, limit, name } from "./parameters.ts";
import { metadataPairs, unixSeconds } from "./submit.ts";

const time = z
  .string()
  .regex(/^\d{1,11}$/, "must be a time in Unix seconds")
  .transform(Number)
  .pipe(unixSeconds)
  .optional();
const AFTER = "Only jobs that were made at that second or later; Unix time.";
const BEFORE = "Only jobs that were made before that second; Unix time.";
const groupId = z.string().min(1).max(64, "is longer than the id of a batch or group");
const OF_A_GROUP = "Only the lines of this batch, or the jobs of this group.";

const querySchema = z.object({
  status: z
    .enum(STATUSES, `must be one of ${STATUSES.join(", ")}`)
    .optional()
    .describe("Only jobs of this status."),
  model: name.optional().describe("Only jobs for this model."),
  batch_id: groupId.optional().describe(OF_A_GROUP),
  created_after: time.describe(AFTER),
  created_before: time.describe(BEFORE),
  "metadata.*": z
    .string()
    .max(MAX_METADATA_VALUE_CHARS)
    .optional()
    .describe("`metadata.KEY=VALUE`: only jobs with that pair in their metadata. Of several pairs, all."),
  include: z
    .literal("response", "must be response")
    .optional()
    .describe(
      `\`response\`: each job with its response. Such a page ends early, with \`has_more\`, once it holds ${MAX_PAGE_RESPONSE_BYTES / 1024 / 1024} MiB.`,
    ),
  limit,
  after: afterJob,
});

const METADATA = "metadata.";
/** Of a query whose every parameter is known. */
function pairsOf(query: object): Record<string, string> {
  const pairs = Object.entries(query).filter(
    ([name, value]) => name.startsWith(METADATA) && value !== undefined,
  );
  if (pairs.length > MAX_METADATA_PAIRS)
    throw invalidRequest([{ path: "metadata.*", message: `are over ${MAX_METADATA_PAIRS} pairs` }]);
  return Object.fromEntries(pairs.map(([name, value]) => [name.slice(METADATA.length), value]));
}

const msOf = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1000);

export const listRoute = route({
  name: "list-jobs",
  method: "GET",
  path: "api/jobs",
  who: "tenant",
  summary: "List jobs, newest first, without their responses unless they are asked for",
  query: querySchema,
  answers: { 200: { description: "A page.", schema: pageSchema(jobSchema) } },
  handle: async ({ store, clock }: EndingDeps, { query }, { tenant }) => {
    const { status, model, batch_id: batchId, created_after, created_before, limit } = query;
    const after = query.after === undefined ? undefined : await cursor(store, tenant.id, query.after);
    const times = { fromMs: msOf(created_after), beforeMs: msOf(created_before) };
    const filter = { status, model, batchId, ...times, metadata: pairsOf(query), limit, after };
    const { jobs, hasMore } = await store.list(tenant.id, filter);
    const nowMs = clock.now();
    if (query.include === "response") return withResponses(store, jobs, hasMore, nowMs);
    const listed = jobs.map((job) => ({
      ...{ ...jobResource(job, nowMs), response_absent: "listed", response: null },
    }));
    return json(200, pageOf(listed, hasMore));
  },
});

async function cursor(store: JobStore, tenant_id: string, job_id: string) {
  const stored = await store.read({ tenant_id, job_id });
  if (stored !== undefined) return stored.value;
  throw invalidRequest([
    { path: "after", message: "must be the id of a job of this tenant, as in `last_id`" },
  ]);
}

/** One response after the other, up to a page's bytes: the next page begins with what is left out. */
async function withResponses(store: JobStore, jobs: readonly Job[], hasMore: boolean, nowMs: number) {
  const texts: string[] = [];
  let bytes = 0;
  for (const job of jobs) {
    if (bytes >= MAX_PAGE_RESPONSE_BYTES) break;
    const text = jobJson(job, await responseOf(store, job), nowMs);
    bytes += text.length;
    texts.push(text);
  }
  const shown = jobs.slice(0, texts.length).map(({ job_id: id }) => ({ id }));
  const { data: _, ...page } = pageOf(shown, hasMore || shown.length < jobs.length);
  return jsonText(200, `${JSON.stringify(page).slice(0, -1)},"data":[${texts.join(",")}]}`);
}

async function responseOf(store: JobStore, job: Job): Promise<StoredResponse | undefined> {
  return isEnded(job) && job.has_response && !job.content_deleted ? store.readResponse(job) : undefined;
}

export const cancelManyRoute = route({
  name: "cancel-jobs",
  method: "POST",
  path: "api/jobs/cancel",
  who: "tenant",
  summary: `Cancel jobs that have not ended, ${MAX_CANCELLED_AT_ONCE} at once: again while there are more`,
  body: {
    schema: z
      .strictObject({
        status: z.enum(["queued", "in_progress"]).optional().describe("Only jobs of this status."),
        model: name.optional().describe("Only jobs for this model."),
        batch_id: groupId
          .optional()
          .describe(`${OF_A_GROUP} A batch itself is cancelled at the OpenAI door.`),
        created_after: unixSeconds.optional().describe(AFTER),
        created_before: unixSeconds.optional().describe(BEFORE),
        metadata: metadataPairs.optional().describe("Only jobs with these pairs in their metadata."),
      })
      .refine((choice) => Object.keys(choice).length > 0, "must say which jobs")
      .describe("Which jobs; at least one field."),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: {
    200: {
      description: "They are cancelled.",
      schema: z.object({
        object: z.literal("cancellation"),
        cancelled: whole("Jobs that were."),
        has_more: flag("True: there may be more of them; ask again."),
      }),
    },
  },
  handle: async (deps: EndingDeps, { body }, { tenant, actor }) => {
    const { status, model, batch_id, created_after, created_before, metadata: pairs = {} } = body;
    const times = { fromMs: msOf(created_after), beforeMs: msOf(created_before) };
    const choice = { status, model, batchId: batch_id, ...times, metadata: pairs };
    const { cancelled, hasMore } = await cancelMany(deps, tenant.id, choice, actor);
    return json(200, { object: "cancellation", cancelled, has_more: hasMore });
  },
});
