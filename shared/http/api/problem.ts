import { z } from "zod";
import { ERRORS, type Problem } from "../../errors.ts";
import type { Answer } from "../answer.ts";
import { text, whole } from "./fields.ts";

export const problemSchema = z
  .object({
    type: text("A URI of the code: `urn:switchyard:problem:…`."),
    title: text("The code in words; always the same."),
    status: whole("The HTTP status."),
    detail: text("What is wrong this time."),
    code: z
      .enum(Object.keys(ERRORS) as [string, ...string[]])
      .describe("What a program looks at: see the table of error codes."),
    faults: z
      .array(
        z.object({
          path: text("A JSON Pointer into the body, or a header's or parameter's name."),
          message: text("What is wrong there."),
        }),
      )
      .optional()
      .describe("Every fault of an invalid request."),
    request_id: text("Quote it to the operator: it is in the logs."),
  })
  .meta({ id: "Problem", title: "An error" });

/** A refusal as application/problem+json (RFC 9457), with a `code` that stays the same whatever the words. */
export function problemAnswer(problem: Problem, requestId: string): Answer {
  const { code, status, faults, retryAfterSeconds } = problem;
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
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
    ...(faults.length > 0 ? { faults: [...faults] } : {}),
    request_id: requestId,
  } satisfies z.input<typeof problemSchema>;
  return { status, headers, body: JSON.stringify(body) };
}
