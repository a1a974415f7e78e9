import type { HttpResponseInit } from "@azure/functions";
import { ERRORS, type Problem } from "../errors.ts";

/** A refusal as application/problem+json (RFC 9457), with a `code` that stays the same whatever the words. */
export function problemResponse(problem: Problem, requestId: string): HttpResponseInit {
  const { code, status, faults, retryAfterSeconds } = problem;
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-request-id": requestId,
  };
  if (retryAfterSeconds !== undefined) headers["retry-after"] = String(retryAfterSeconds);
  if (status === 401) headers["www-authenticate"] = "Bearer";
  const body = {
    type: `urn:switchyard:problem:${code}`,
    title: ERRORS[code].title,
    status,
    detail: problem.message,
    code,
    ...(faults.length > 0 ? { faults } : {}),
    request_id: requestId,
  };
  return { status, headers, body: JSON.stringify(body) };
}
