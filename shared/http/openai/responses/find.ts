import { z } from "zod";
import { Problem } from "../../../errors.ts";
import { isEnded, type Job, type ResponseFacts } from "../../../job/job.ts";
import type { JobStore } from "../../../job/ports.ts";
import { jobIdOf } from "../../../job/response.ts";
import { type JsonObject, objectOf } from "../../../model/protocol/json.ts";
import { type JobKey, type Stored, UnreadableItem } from "../../../store.ts";

const RESPONSE_ID = /^resp_[0-9a-f]{32}$/;

/** The response of a path. An id that cannot be one names none. */
export const responseInPath = {
  schema: z.object({
    id: z
      .string()
      .regex(RESPONSE_ID, "There is no such response: its id is `resp_` and 32 lower-case hex digits.")
      .describe("The response's id."),
  }),
  absent: "job_not_found",
} as const;

export type ResponseJob = Job & { readonly as_response: ResponseFacts };

export interface FoundResponse {
  readonly job: Stored<ResponseJob>;
  /** As it is stored; undefined: it has lapsed. */
  readonly request: JsonObject | undefined;
}

export const responseNotFound = (id: string): Problem =>
  new Problem("job_not_found", `Response with id '${id}' not found.`);

/**
 * A tenant's response by its id: one that is stored, and not deleted.
 * @throws Problem job_not_found
 */
export async function findResponse(
  store: Pick<JobStore, "readWithRequest">,
  tenantId: string,
  id: string,
): Promise<FoundResponse> {
  const found = RESPONSE_ID.test(id) ? await readResponse(store, keyOf(tenantId, id)) : undefined;
  if (found === undefined || !found.job.value.as_response.store || isDeleted(found.job.value))
    throw responseNotFound(id);
  return found;
}

export const keyOf = (tenant_id: string, id: string): JobKey => ({ tenant_id, job_id: jobIdOf(id) });

const isDeleted = (job: Job) => isEnded(job) && job.content_deleted;

/** A job that is a response; undefined: there is none, or it is another's. */
export async function readResponse(
  store: Pick<JobStore, "readWithRequest">,
  key: JobKey,
): Promise<FoundResponse | undefined> {
  const found = await store.readWithRequest(key);
  if (found === undefined || !isResponse(found.job)) return undefined;
  if (found.request instanceof UnreadableItem) throw found.request;
  return { job: found.job, request: found.request && objectOf(found.request.body) };
}

function isResponse(job: Stored<Job>): job is Stored<ResponseJob> {
  return job.value.as_response !== undefined;
}
