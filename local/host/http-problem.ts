import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";

/** What the host answers by itself, before or instead of a function: RFC 9457, in the app's own form. */
export type HostProblemCode =
  | "invalid_request"
  | "route_not_found"
  | "method_not_allowed"
  | "request_too_large"
  | "internal_error";

const TITLES: Record<HostProblemCode, string> = {
  invalid_request: "The request is not valid",
  route_not_found: "No such route",
  method_not_allowed: "The route does not take this method",
  request_too_large: "The request is too large",
  internal_error: "The service failed",
};

export const PROBLEM_CONTENT_TYPE = "application/problem+json";

export function problemBody(status: number, code: HostProblemCode, detail: string): string {
  return JSON.stringify({
    type: `urn:switchyard:problem:${code}`,
    title: TITLES[code],
    status,
    detail,
    code,
    // Every problem has one; no function saw this request, so no log names it.
    request_id: randomUUID(),
  });
}

/** A whole HTTP/1.1 answer as text, for a socket that is closed after it. */
export function rawProblem(
  status: number,
  code: HostProblemCode,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const body = problemBody(status, code, detail);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
