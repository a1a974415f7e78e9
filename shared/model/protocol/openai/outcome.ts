import type { Outcome, Rejected } from "../../outcome.ts";
import type { Answer } from "../protocol.ts";
import { quotaHeadersOf } from "./quota-headers.ts";
import { usageOf } from "./usage.ts";

type Treatment = "completed" | "rejected" | "turned_away" | "retry" | "rate_limited";

/** The table: what each HTTP status means for a job. */
const BY_STATUS: ReadonlyMap<number, Treatment> = new Map([
  [401, "turned_away"],
  [403, "turned_away"],
  [404, "turned_away"],
  [405, "turned_away"],
  [410, "turned_away"],
  [408, "retry"],
  [409, "retry"],
  [425, "retry"],
  [429, "rate_limited"],
]);

function treatmentOf(status: number): Treatment {
  const known = BY_STATUS.get(status);
  if (known !== undefined) return known;
  if (status >= 500) return "retry";
  if (status >= 400) return "rejected";
  // A redirect is not followed: it would take the prompt to a place that is not in the catalogue.
  return status >= 300 ? "turned_away" : "completed";
}

/** What an answer means for the job. Pure. */
export function outcomeOf(answer: Answer, nowMs: number): Outcome {
  const outcome = meaningOf(answer, nowMs);
  const quota = quotaHeadersOf(answer.headers);
  return quota === undefined ? outcome : { ...outcome, quota };
}

function meaningOf(answer: Answer, nowMs: number): Outcome {
  const { status } = answer;
  const treatment = treatmentOf(status);
  if (treatment === "completed") return completedOf(answer);
  const message = messageOf(answer);
  const retryAfterMs = retryAfterMsOf(answer.headers, nowMs);
  switch (treatment) {
    case "rejected":
      return rejectedOf(answer, message);
    case "turned_away":
      return { kind: "turned_away", statusCode: status, message };
    case "rate_limited":
      return { kind: "rate_limited", statusCode: status, message, retryAfterMs };
    case "retry":
      return { kind: "retry", reason: `http_${status}`, statusCode: status, message, retryAfterMs };
  }
}

function completedOf(answer: Answer): Outcome {
  const { status, headers, body } = answer;
  const json = objectOf(body);
  if (json === undefined) {
    const message = body === "" ? "the answer was empty" : "the answer was not a JSON object";
    return { kind: "retry", reason: "invalid_response", statusCode: status, message, retryAfterMs: null };
  }
  if (json.status === "failed") return failedResponse(answer, json);
  return {
    kind: "completed",
    statusCode: status,
    requestId: requestIdOf(headers),
    body,
    usage: usageOf(json),
  };
}

/** The Responses endpoint can answer 200 and say inside that it failed. */
function failedResponse(answer: Answer, json: Record<string, unknown>): Outcome {
  const { code, message } = errorOf(json);
  const text = message ?? "the response failed";
  if (code === "rate_limit_exceeded") {
    return { kind: "rate_limited", statusCode: answer.status, message: text, retryAfterMs: null };
  }
  if (code === undefined || code === "server_error") {
    return {
      kind: "retry",
      reason: "response_failed",
      statusCode: answer.status,
      message: text,
      retryAfterMs: null,
    };
  }
  return rejectedOf(answer, text);
}

const TOO_LONG = new Set(["context_length_exceeded", "string_above_max_length", "max_tokens_exceeded"]);

function rejectedOf(answer: Answer, message: string): Rejected {
  const json = objectOf(answer.body);
  const { code } = errorOf(json);
  return {
    kind: "rejected",
    code: rejectionCode(answer.status, code),
    statusCode: answer.status,
    requestId: requestIdOf(answer.headers),
    body: json === undefined ? null : answer.body,
    message,
    usage: usageOf(json),
  };
}

function rejectionCode(status: number, code: string | undefined): Rejected["code"] {
  if (code === "content_filter" || code === "ResponsibleAIPolicyViolation") return "content_filtered";
  if (status === 413 || (code !== undefined && TOO_LONG.has(code))) return "context_length_exceeded";
  return "upstream_bad_request";
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // Not JSON is an expected answer of proxies and of servers that break: the caller says what it makes of it.
    return undefined;
  }
}

function errorOf(json: Record<string, unknown> | undefined): { code?: string; message?: string } {
  const error = json?.error;
  if (typeof error !== "object" || error === null) return typeof error === "string" ? { message: error } : {};
  const { code, message } = error as { code?: unknown; message?: unknown };
  return {
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof message === "string" ? { message } : {}),
  };
}

/** A job's error is no place for a page of HTML. */
const MAX_MESSAGE_CHARS = 300;

function messageOf(answer: Answer): string {
  const said = errorOf(objectOf(answer.body)).message ?? "";
  const text = `HTTP ${answer.status}${said === "" ? "" : `: ${said}`}`;
  return text.length > MAX_MESSAGE_CHARS ? `${text.slice(0, MAX_MESSAGE_CHARS).toWellFormed()}…` : text;
}

function requestIdOf(headers: Answer["headers"]): string | null {
  return headers.get("apim-request-id") ?? headers.get("x-request-id") ?? headers.get("x-ms-request-id");
}

/**
 * How long a deployment asks to be left alone: `retry-after-ms`, `retry-after` in seconds or as a date. Null when it
 * does not say, or says what cannot be read.
 */
export function retryAfterMsOf(headers: Answer["headers"], nowMs: number): number | null {
  const ms = numberOf(headers.get("retry-after-ms"));
  if (ms !== null) return ms;
  const after = headers.get("retry-after");
  const seconds = numberOf(after);
  if (seconds !== null) return seconds * 1000;
  // Date.parse takes more for a date than HTTP does, "-3" for one.
  const date = after === null || !/[a-z]{3}/i.test(after) ? Number.NaN : Date.parse(after);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

function numberOf(text: string | null): number | null {
  return text !== null && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;
}
