import type { ApiError } from "./api-error.ts";
import { eventOf } from "./messages-stream.ts";
import type { LabProfile } from "./profiles.ts";

/** Anthropic's names of what went wrong, by status. */
const TYPES: Readonly<Record<number, string>> = {
  ...{ 400: "invalid_request_error", 401: "authentication_error", 402: "billing_error" },
  ...{ 403: "permission_error", 404: "not_found_error", 413: "request_too_large" },
  ...{ 429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error" },
};

/** A refusal as this lab writes it. */
export function refusalBody(lab: Pick<LabProfile, "name">, error: ApiError): string {
  return lab.name === "anthropic" ? JSON.stringify(anthropicError(error)) : error.body;
}

/** An error within a stream, as this lab writes it. */
export function refusalEvent(lab: Pick<LabProfile, "name">, error: ApiError): string {
  return lab.name === "anthropic" ? eventOf(anthropicError(error)) : `data: ${error.body}\n\n`;
}

function anthropicError({ status, message }: ApiError) {
  return { type: "error", error: { type: TYPES[status] ?? "api_error", message } };
}

type Headers = Readonly<Record<string, string>>;

/** What an answer's headers say of the quota, by this lab's names. */
export function quotaHeaders(lab: Pick<LabProfile, "name">, headers: Headers, nowMs: number): Headers {
  if (lab.name !== "anthropic") return headers;
  const named = Object.entries(headers).map(([name, value]) => {
    const [, what, kind] = /^x-ratelimit-(limit|remaining|reset)-(\w+)$/.exec(name) ?? [];
    if (kind === undefined) return [name, value];
    const time = () => new Date(nowMs + Number(value) * 1_000).toISOString();
    return [`anthropic-ratelimit-${kind}-${what}`, what === "reset" ? time() : value];
  });
  return Object.fromEntries(named);
}
