import { jobNotFound } from "../../job/ending/cancel.ts";
import { type HeldCallDeps, holdCall } from "../../job/intake/held-call.ts";
import { isEnded } from "../../job/job.ts";
import type { EndedJob } from "../../job/running-jobs.ts";
import type { JobKey } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { type Answer, jsonText } from "../answer.ts";
import { inBase64 } from "./embeddings.ts";
import { errorAnswer } from "./envelope.ts";
import { EVENT_STREAM, eventsOf } from "./events.ts";
import { failureOf } from "./failure.ts";
import { headersOf } from "./headers.ts";

/** How a client wants the answer of its call. */
export interface Wanted {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly base64: boolean;
}

/** Load balancers cut a connection after 230 s without a byte, clients after 300. */
const MAX_HOLD_SECONDS = 200;

/**
 * Waits for a job's end and answers with it. What takes longer goes on in another request, to which the client is sent;
 * so does what this instance can hold no longer.
 */
export async function answerWhenEnded(
  deps: HeldCallDeps,
  tenant: Tenant,
  job: JobKey,
  wanted: Wanted,
): Promise<Answer<200 | 303>> {
  const { found } = await holdCall(deps, tenant, job, MAX_HOLD_SECONDS);
  if (found === undefined) throw jobNotFound(job);
  return answerOf(found, wanted);
}

/** @returns a failure's own status too, which the contract has among the errors */
export function answerOf({ job: { value: job }, response }: EndedJob, wanted: Wanted): Answer<200 | 303> {
  const headers = headersOf(job);
  if (!isEnded(job)) {
    const location = `/openai/v1/waits/${job.job_id}${queryOf(wanted)}`;
    return { status: 303, headers: { ...headers, location, "cache-control": "no-store" } };
  }
  if (job.status !== "completed" || response === undefined)
    return errorAnswer(failureOf(job, response), headers) as Answer<200>;
  const { body } = response;
  if (wanted.stream)
    return { status: 200, headers: { ...headers, ...EVENT_STREAM }, body: eventsOf(body, wanted) };
  return jsonText(200, wanted.base64 ? inBase64(body) : body, headers);
}

function queryOf({ stream, includeUsage, base64 }: Wanted): string {
  const said = { stream, include_usage: includeUsage, base64 };
  const names = Object.entries(said).flatMap(([name, value]) => (value ? [`${name}=true`] : []));
  return names.length === 0 ? "" : `?${names.join("&")}`;
}
