import { Problem } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import { type JobKey, type Stored, UnreadableItem } from "../../store.ts";
import { jobNotFound } from "../ending/cancel.ts";
import { isEnded, type Job, type StoredRequest } from "../job.ts";
import { jobIdOfRetry, type Submission } from "./accept.ts";
import { check, type IntakeDeps, type SubmittedBy } from "./intake.ts";

/**
 * An ended job, submitted again: with as much time as its client once gave it, and never less than a job that names no
 * deadline.
 */
export function submissionOf(
  job: Job,
  { body }: StoredRequest,
  nowMs: number,
  settings: Pick<Settings, "defaultDeadlineSeconds" | "maxDeadlineSeconds">,
): Submission {
  const givenMs = job.deadline_ms - Math.max(job.created_at_ms, job.not_before_ms ?? 0);
  const leastMs = Math.max(givenMs, settings.defaultDeadlineSeconds * 1000);
  const { endpoint, model, priority, metadata, validate } = job;
  return {
    ...{ endpoint, model, priority, metadata, validate, bodyText: body },
    ...{
      maxCost: job.max_cost,
      timeoutSeconds: job.timeout_seconds,
      notBeforeMs: null,
      envelopeSha256: job.envelope_sha256,
    },
    deadlineMs: nowMs + Math.min(leastMs, settings.maxDeadlineSeconds * 1000),
  };
}

/**
 * Makes a new job of one that has ended without an answer: always the same, however often this is asked for.
 * @throws Problem job_not_found, job_not_ended, nothing_to_retry, request_gone, and what a submit is refused for
 * @throws StoreUnavailable
 */
export async function retryJob(deps: IntakeDeps, key: JobKey, by: SubmittedBy): Promise<Stored<Job>> {
  const found = await deps.store.readWithRequest(key);
  if (found === undefined) throw jobNotFound(key);
  const { value: job } = found.job;
  if (!isEnded(job)) throw new Problem("job_not_ended", `${key.job_id} is ${job.status}.`);
  if (job.status === "completed") throw new Problem("nothing_to_retry", `${key.job_id} was answered.`);
  const newKey = { ...key, job_id: jobIdOfRetry(key.tenant_id, key.job_id) };
  const made = await deps.store.read(newKey);
  if (made !== undefined) return made;
  const { request } = found;
  if (request instanceof UnreadableItem) throw request;
  if (request === undefined || job.content_deleted)
    throw new Problem("request_gone", `The request of ${key.job_id} was erased or has lapsed.`);
  const again = submissionOf(job, request, deps.clock.now(), deps.settings);
  const group = job.batch_line === undefined ? job.batch_id : undefined;
  const submit = { ...again, batchId: group, retries: key.job_id, idempotencyKey: null, refusal: undefined };
  const take = check(
    { ...deps, newJobId: () => newKey.job_id },
    { ...submit, body: JSON.parse(request.body) },
    by,
  );
  return (await take()).job;
}
