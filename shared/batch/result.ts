import type { Ended, StoredResponse } from "../job/job.ts";
import type { LineResult } from "./batch.ts";

/** OpenAI's form of a failure: how the door says why a job has no answer. */
export type FailureOf = (
  job: Ended,
  response: StoredResponse | undefined,
) => {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
  readonly param?: string | null;
};

/** A line of one of the two files. */
export interface ResultLine extends LineResult {
  readonly text: string;
}

/** What is written of a line whose job has ended. A lab's answer stays as it came, and so does the status of its refusal. */
export function resultOf(
  job: Ended,
  response: StoredResponse | "unreadable" | undefined,
  { line, customId }: { readonly line: number; readonly customId: string },
  failureOf: FailureOf,
): ResultLine {
  const isCompleted = job.status === "completed" && response !== undefined && response !== "unreadable";
  const result = {
    ...{ line, isCompleted, isExpired: job.status === "expired", cost: job.cost },
    usage: job.usage,
    hasUnknownCost: Object.keys(job.unknown_costs ?? {}).length > 0,
  };
  if (isCompleted) {
    const answer = `{"status_code":${response.status_code},"request_id":${JSON.stringify(job.job_id)},"body":${response.body}}`;
    return { ...result, text: textOf(job.job_id, customId, answer, null) };
  }
  if (response === "unreadable") return { ...result, ...notRun(job.job_id, customId, "line_unreadable") };
  if (job.status === "cancelled") return { ...result, ...notRun(job.job_id, customId, "batch_cancelled") };
  if (job.status === "expired") return { ...result, ...notRun(job.job_id, customId, "batch_expired") };
  const { status, message, type, code, param = null } = failureOf(job, response);
  if (response === undefined)
    return { ...result, text: textOf(job.job_id, customId, "null", { code: code ?? "failed", message }) };
  const body = JSON.stringify({ error: { message, type, param, code } });
  const answer = `{"status_code":${status},"request_id":${JSON.stringify(job.job_id)},"body":${body}}`;
  return { ...result, text: textOf(job.job_id, customId, answer, null) };
}

const WHY = {
  batch_cancelled: "The batch was cancelled before this line had ended.",
  batch_expired: "The line had not ended within the batch's completion_window.",
  line_unreadable: "What is stored of the line cannot be read.",
  input_changed: "The line could not be read again: its file is gone.",
} as const;

/** What is written of a line that was never run to its end. */
export function notRun(jobId: string, customId: string, code: keyof typeof WHY): { readonly text: string } {
  return { text: textOf(jobId, customId, "null", { code, message: WHY[code] }) };
}

function textOf(
  jobId: string,
  customId: string,
  response: string,
  error: { readonly code: string; readonly message: string } | null,
): string {
  const id = JSON.stringify(jobId.replace("job_", "batch_req_"));
  return `{"id":${id},"custom_id":${JSON.stringify(customId)},"response":${response},"error":${JSON.stringify(error)}}\n`;
}
