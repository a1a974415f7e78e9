import { type Ended, isEnded, type Job } from "./job.ts";

const PREFIX = /^(job|resp)_/;
/** A job that is a response, by the id that its owner knows it by; and back. */
export const responseIdOf = (jobId: string): string => jobId.replace(PREFIX, "resp_");
export const jobIdOf = (responseId: string): string => responseId.replace(PREFIX, "job_");

/** How a response has ended, in OpenAI's words. */
export function responseEndOf({ status, incomplete }: Pick<Ended, "status" | "incomplete">) {
  if (status === "completed") return incomplete === undefined ? "completed" : "incomplete";
  return status === "cancelled" ? "cancelled" : "failed";
}

/** It never goes back: what has been tried once, and waits for the next try, is under way. */
export function responseStatusOf(job: Job) {
  if (isEnded(job)) return responseEndOf(job);
  return job.status === "queued" && job.attempts === 0 ? "queued" : "in_progress";
}
