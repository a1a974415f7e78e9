import { z } from "zod";
import { ERRORS, type Fault, type Problem, type ProblemCode } from "../../errors.ts";
import type { Answer } from "../answer.ts";
import { text } from "../api/fields.ts";

export const errorSchema = z
  .object({
    error: z
      .object({
        message: text("What is wrong, for people."),
        type: text("Its kind: `invalid_request_error`, `server_error`, `requests`, `insufficient_quota`."),
        param: text("The field, header or parameter that it is about.").nullable(),
        code: text("What a program looks at.").nullable(),
      })
      .describe("As OpenAI's SDKs read it."),
  })
  .meta({ id: "OpenaiError", title: "An error of the OpenAI door" });

/** OpenAI's `error`, and how a client is to take it. */
export interface OpenaiError {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
  readonly param?: string | null;
  /** False: the SDKs would try again, and to no avail. */
  readonly shouldRetry?: false;
  readonly retryAfterSeconds?: number;
}

/** OpenAI's SDKs take a longer wait for none, or give up. */
const MAX_RETRY_AFTER_SECONDS = 60;
const RETRY_AFTER_SECONDS = 5;

/** `{error: {message, type, param, code}}`, with the headers by which the SDKs decide whether to try again. */
export function errorAnswer(error: OpenaiError, headers: Readonly<Record<string, string>> = {}): Answer {
  const { status, message, type, code, param = null, shouldRetry } = error;
  const again = error.retryAfterSeconds ?? RETRY_AFTER_SECONDS;
  return {
    status,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      ...(status === 429 || status === 503
        ? { "retry-after": String(Math.min(again, MAX_RETRY_AFTER_SECONDS)) }
        : {}),
      ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...(shouldRetry === false || status === 409 ? { "x-should-retry": "false" } : {}),
      ...headers,
    },
    body: JSON.stringify({ error: { message, type, param, code } }),
  };
}

type Said = Partial<Pick<OpenaiError, "status" | "type" | "code" | "param" | "shouldRetry">>;

/** Where OpenAI says it otherwise than the native door. */
const SAID: Partial<Record<ProblemCode, Said>> = {
  missing_credential: { code: "invalid_api_key" },
  invalid_credential: { code: "invalid_api_key" },
  model_not_found: { param: "model" },
  // OpenAI does not tell a model that there is not from one that is not yours.
  model_not_allowed: { status: 404, code: "model_not_found", param: "model" },
  endpoint_not_supported: { param: "model" },
  capability_not_supported: { param: "model" },
  route_not_found: { code: "unknown_url" },
  file_not_found: { param: "id" },
  batch_not_found: { param: "id" },
  file_limit_reached: { status: 400 },
  too_many_requests: { type: "requests", code: "rate_limit_exceeded" },
  // The pair that clients look for; 402 is no error of theirs.
  budget_exceeded: {
    status: 429,
    type: "insufficient_quota",
    code: "insufficient_quota",
    shouldRetry: false,
  },
};

export function statusOf(code: ProblemCode): number {
  return SAID[code]?.status ?? ERRORS[code].status;
}

/** A refusal in OpenAI's form. */
export function refusal(problem: Problem): Answer {
  const { code, faults, retryAfterSeconds } = problem;
  const status = statusOf(code);
  const said = SAID[code];
  return errorAnswer({
    ...{ status, code, type: status >= 500 ? "server_error" : "invalid_request_error" },
    message: messageOf(problem),
    ...said,
    param: faults[0] === undefined ? (said?.param ?? null) : paramOf(faults[0]),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function messageOf({ code, message, faults }: Problem): string {
  if (faults.length === 0 || code === "capability_not_supported") return message;
  return faults.map((fault) => `${paramOf(fault)}: ${fault.message}`).join("; ");
}

/** `messages[0].role`, as OpenAI names a place. */
function paramOf({ path }: Fault): string {
  if (!path.startsWith("/")) return path || "body";
  const names = path.slice(1).split("/");
  return names
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((at, name) => (/^\d+$/.test(name) ? `${at}[${name}]` : at === "" ? name : `${at}.${name}`), "");
}
