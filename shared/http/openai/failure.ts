import type { JobErrorCode } from "../../errors.ts";
import type { Ended, StoredResponse } from "../../job/job.ts";
import type { OpenaiError } from "./envelope.ts";

type Form = Pick<OpenaiError, "status" | "type" | "code">;

const refused = (code: string): Form => ({ status: 400, type: "invalid_request_error", code });
const failed = (status: number, code: string): Form => ({ status, type: "server_error", code });

/** What a job's error is to a client of OpenAI's. */
const OF_CODE: Readonly<Record<JobErrorCode, Form>> = {
  upstream_bad_request: refused("invalid_request"),
  content_filtered: refused("content_filter"),
  context_length_exceeded: refused("context_length_exceeded"),
  response_too_large: failed(502, "response_too_large"),
  answer_broken_off: failed(502, "answer_broken_off"),
  no_deployment_available: failed(503, "no_deployment_available"),
  max_cost_reached: { status: 429, type: "insufficient_quota", code: "insufficient_quota" },
  budget_used_up: { status: 429, type: "insufficient_quota", code: "insufficient_quota" },
  attempts_exhausted: failed(502, "attempts_exhausted"),
  deadline_exceeded: failed(504, "deadline_exceeded"),
  model_withdrawn: { status: 404, type: "invalid_request_error", code: "model_not_found" },
  request_lost: failed(500, "request_lost"),
};

/**
 * Why a job that has ended has no answer. A lab's refusal keeps its status and its words. Nothing of it is worth an
 * automatic retry: the service has tried again itself.
 */
export function failureOf(job: Ended, response: StoredResponse | undefined): OpenaiError {
  const shouldRetry = false;
  if (job.error === null) {
    const message = `${job.job_id} was ${job.status}${job.content_deleted ? ", and its answer is deleted" : ""}.`;
    return { status: 409, type: "invalid_request_error", code: `job_${job.status}`, message, shouldRetry };
  }
  const form = OF_CODE[job.error.code];
  const { message } = job.error;
  if (response === undefined || form.status !== 400) return { ...form, message, shouldRetry };
  const { status_code } = response;
  const status = status_code >= 400 && status_code < 500 ? status_code : form.status;
  return { ...form, status, message, ...wordsOf(response.body), shouldRetry };
}

/** What the lab's refusal says itself, where it is in OpenAI's form. */
function wordsOf(body: string): Partial<OpenaiError> {
  const parsed: unknown = JSON.parse(body);
  const error: unknown = (parsed as { readonly error?: unknown } | null)?.error;
  if (typeof error !== "object" || error === null) return {};
  const { message, type, param, code } = error as Readonly<Record<string, unknown>>;
  return {
    ...(typeof message === "string" && message !== "" ? { message } : {}),
    ...(typeof type === "string" ? { type } : {}),
    ...(typeof param === "string" ? { param } : {}),
    ...(typeof code === "string" ? { code } : {}),
  };
}
