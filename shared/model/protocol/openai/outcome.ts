import { MAX_NESTING_LEVELS } from "../../../limits.ts";
import type { Outcome, RateLimited, Rejected, TurnedAway, TurnedAwayCause } from "../../outcome.ts";
import type { Usage } from "../../usage.ts";
import { isDeeperThan, objectOf } from "../json.ts";
import type { Answer, Asked, Pending } from "../protocol.ts";
import { heldIn } from "./answer.ts";
import { type Fault, faultByCode, faultOf } from "./fault.ts";
import { labCostOf } from "./lab-cost.ts";
import { quotaHeadersOf } from "./quota-headers.ts";
import { type Refusal, refusalOf, shortened } from "./refusal.ts";
import { usageOf } from "./usage.ts";
import { askedWaitMs } from "./wait.ts";

/** What an answer means for the job: docs/answers.md is this in words. */
export function outcomeOf(answer: Answer, asked: Asked): Outcome | Pending {
  const outcome = isThrough(answer.status) ? answered(answer, asked) : refused(answer, asked);
  if (outcome.kind === "pending") return outcome;
  const quota = quotaHeadersOf(answer.headers, asked.nowMs);
  return quota === undefined ? outcome : { ...outcome, quota };
}

const isThrough = (status: number) => status >= 200 && status < 300;

/** 2xx: an answer only if it holds one. */
function answered(answer: Answer, asked: Asked): Outcome | Pending {
  const { status, headers, body } = answer;
  const retryAfterMs = askedWaitMs(headers, refusalOf(""), asked.nowMs);
  if (status === 202 && body.trim() === "" && asked.ticket !== undefined)
    return { kind: "pending", path: asked.ticket, retryAfterMs };
  const json = objectOf(body);
  if (json === undefined) return unreadable(answer, asked);
  const held = heldIn(json, asked.endpoint);
  const cost = labCostOf(json);
  const labCost = cost === undefined ? {} : { labCost: cost };
  switch (held.kind) {
    case "pending":
      return { ...held, retryAfterMs };
    case "answer":
      return {
        ...{ kind: "completed", statusCode: status, requestId: requestIdOf(headers), body },
        usage: usageOf(json, { prompt: true, text: held.hasText }),
        ...(held.incomplete === undefined ? {} : { incomplete: held.incomplete }),
        ...labCost,
      };
    case "failure":
      return { ...failed(answer, asked, held, usageOf(json, NOTHING_SEEN)), ...labCost };
    case "nothing":
      return { ...again(status, "no_answer", held.why, usageOf(json, NOTHING_SEEN)), ...labCost };
  }
}

const NOTHING_SEEN = { prompt: false, text: false };

/** Not a JSON object. A fault that the next call would meet again is not paid for twice. */
function unreadable(answer: Answer, asked: Asked): Outcome {
  const { status, headers, body } = answer;
  const isStream =
    headers.get("content-type")?.includes("text/event-stream") || /^(data|event|:)/.test(body.trimStart());
  const refusal = isStream || body.trimStart().startsWith("[") ? refusalOf(body.trimStart()) : undefined;
  if (refusal !== undefined && isAboutError(body) && refusal.words !== "")
    return failed(answer, asked, { refusal, why: "" }, null);
  if (isStream || /^\s*\{.*\}\s*\n\s*\{/.test(body))
    return cannotBeRead(status, "it streams its answer, though that was not asked for", null);
  const json = SLOPPY.test(body) ? objectOf(withoutWordsOutsideJson(body)) : undefined;
  if (json !== undefined)
    return cannotBeRead(
      status,
      "the answer holds NaN, Infinity or the like, which is no JSON",
      usageOf(json, NOTHING_SEEN),
    );
  if (body.trim() === "") return again(status, "invalid_response", "the answer was empty", null);
  const page = /^\s*</.test(body) ? `: ${refusalOf(body).words}` : "";
  return again(
    status,
    "invalid_response",
    `the answer was not a JSON object of at most ${MAX_NESTING_LEVELS} levels${page}`,
    null,
  );
}

/** What servers write into JSON that it does not have: numbers, and Python's words. */
const SLOPPY = /NaN|Infinity|\bnan\b|\binf\b|\bNone\b/;

/** Such words outside its strings as null. */
function withoutWordsOutsideJson(text: string): string {
  return text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity|nan|inf|None)\b/g, (found) =>
    found.startsWith('"') ? found : "null",
  );
}

/** A list, or a stream, that begins with an error: Google's form, and that of servers which stream whatever is asked. */
const isAboutError = (body: string) =>
  /^\s*(\[|(event:.*\s+)?data:)\s*\{\s*"(error|object"\s*:\s*"error)"/.test(body);

function cannotBeRead(statusCode: number, words: string, usage: Usage | null): TurnedAway {
  const message = `HTTP ${statusCode}: ${words}`;
  return { kind: "turned_away", cause: "unreadable_answer", statusCode, message, billed: "maybe", usage };
}

/** The lab let the call in, and may bill for it. */
function again(statusCode: number, reason: string, words: string, usage: Usage | null): Outcome {
  const message = `HTTP ${statusCode}: ${words}`;
  return { kind: "retry", reason, statusCode, message, retryAfterMs: null, billed: "maybe", usage };
}

/** A 2xx that says it failed means what it says, as if its own status had come. */
function failed(
  answer: Answer,
  asked: Asked,
  { refusal, why }: { readonly refusal: Refusal; readonly why: string },
  usage: Usage | null,
): Outcome {
  const { status } = answer;
  const meant = refusal.status ?? statusOf(refusal);
  const words = refusal.words === "" ? why : refusal.words;
  const message = `HTTP ${status} with error ${meant}: ${words}`;
  const outcome = meaningOf({ answer, asked, refusal, status: meant, message, usage });
  return outcome.kind === "retry" ? { ...outcome, reason: "error_in_answer", billed: "maybe" } : outcome;
}

const STATUS_OF: Readonly<Record<Fault, number>> = {
  ...{ content: 400, too_long: 400, passing: 502 },
  ...{ credential: 401, account: 402, not_permitted: 403, unknown_model: 404 },
  ...{ rate: 429, over_limit: 429 },
};

function statusOf(refusal: Refusal): number {
  const fault = faultOf(refusal);
  if (fault !== undefined) return STATUS_OF[fault];
  return refusal.codes.some((code) => /^(invalid|unsupported|image|bad_?request)/.test(code)) ? 400 : 502;
}

function refused(answer: Answer, asked: Asked): Outcome {
  const { status, headers, body } = answer;
  const refusal = refusalOf(body);
  const { words } = refusal;
  const said = isRedirect(status) ? redirectWords(headers, words) : words;
  const message = `HTTP ${status}${said === "" ? "" : `: ${said}`}`;
  const json = objectOf(body);
  const usage = json === undefined ? null : usageOf(json, NOTHING_SEEN);
  return meaningOf({ answer, asked, refusal, status, message, usage });
}

const isRedirect = (status: number) => status >= 300 && status < 400;

function redirectWords(headers: Answer["headers"], words: string): string {
  const to = headers.get("location");
  const where = to === null ? "" : ` to ${shortened(to)}`;
  return `a redirect${where}, which is not followed${words === "" ? "" : `: ${words}`}`;
}

interface Refused {
  readonly answer: Answer;
  readonly asked: Asked;
  readonly refusal: Refusal;
  /** As HTTP said it, or as a 2xx says it inside. */
  readonly status: number;
  readonly message: string;
  readonly usage: Usage | null;
}

/** The address does not serve this, or not so: whoever wrote it into the catalogue must correct it. */
const WRONG_ADDRESS = new Set([404, 405, 406, 410, 415, 426, 501]);
/**
 * What HTTP knows as the request's own fault. All other 4xx are passing: time-outs and conflicts (408, 409, 423, 424,
 * 425), and what relays have made up (499).
 */
const OWN_FAULT = new Set([400, 411, 412, 413, 414, 416, 417, 422, 428, 431]);
const TOO_LARGE = new Set([413, 414, 431]);

type Rule = readonly [
  when: (status: number, fault: Fault | undefined) => boolean,
  then: (r: Refused, fault: Fault | undefined) => Outcome,
];

/** The table: what a status, and what the lab says with it, mean for a job. The first that fits counts. */
const RULES: readonly Rule[] = [
  [isRedirect, (r) => away(r, "redirected")],
  [(status) => status >= 500 && status !== 501, brokenServer],
  [(status, fault) => fault === "over_limit" && (status === 429 || TOO_LARGE.has(status)), overLimit],
  [(status) => status === 429, limited],
  [(status, fault) => fault === "rate" && status !== 401, limited],
  [(status, fault) => status === 402 || fault === "account", (r) => away(r, "account_empty")],
  [(status) => status === 401 || status === 407, (r) => away(r, "credential_refused")],
  // Nobody else gets to see it: another lab would be shown what this one would not touch.
  [
    (status, fault) => fault === "content" && (status === 403 || status === 451 || OWN_FAULT.has(status)),
    (r) => rejected(r, "content_filtered"),
  ],
  [(_, fault) => fault === "credential", (r) => away(r, "credential_refused")],
  [(_, fault) => fault === "unknown_model", (r) => away(r, "deployment_unknown")],
  [
    (status, fault) => status === 403 || status === 451 || fault === "not_permitted",
    (r) => away(r, "not_permitted"),
  ],
  [(status) => WRONG_ADDRESS.has(status), (r) => away(r, "deployment_unknown")],
  [(status) => !OWN_FAULT.has(status), (r) => passing(r, "no")],
  [
    (status, fault) => fault === "too_long" || TOO_LARGE.has(status),
    (r) => rejected(r, "context_length_exceeded"),
  ],
  // What a relay that broke our JSON, or lost the server behind it, made of the call is not known.
  [(_, fault) => fault === "passing", (r) => passing(r, "maybe")],
];

function meaningOf(r: Refused): Outcome {
  // The words of a server that broke are not believed: they may be anything that was on its way.
  const fault = r.status >= 500 ? faultByCode(r.refusal) : faultOf(r.refusal);
  const rule = RULES.find(([when]) => when(r.status, fault));
  return rule === undefined ? rejected(r, "upstream_bad_request") : rule[1](r, fault);
}

/** 5xx: passing, but for relays that pass a lab's refusal on so, which its code tells. */
function brokenServer(r: Refused, fault: Fault | undefined): Outcome {
  if (fault === undefined || fault === "passing") return passing(r, "no");
  return meaningOf({ ...r, status: STATUS_OF[fault] });
}

function passing(
  { status, message, usage, answer, asked, refusal }: Refused,
  billed: "no" | "maybe",
): Outcome {
  const retryAfterMs = askedWaitMs(answer.headers, refusal, asked.nowMs);
  return {
    kind: "retry",
    reason: `http_${status}`,
    statusCode: answer.status,
    message,
    retryAfterMs,
    billed,
    usage,
  };
}

function away({ answer, message, usage }: Refused, cause: TurnedAwayCause): TurnedAway {
  return { kind: "turned_away", cause, statusCode: answer.status, message, billed: "no", usage };
}

/** How soon an account that is empty is looked at again, where the lab does not say. */
const EMPTY_ACCOUNT_WAIT_MS = 60_000;

function limited({ answer, asked, refusal, message }: Refused, fault: Fault | undefined): RateLimited {
  const retryAfterMs = askedWaitMs(answer.headers, refusal, asked.nowMs);
  // Google says «check your plan and billing» of quotas that come back in seconds: its words alone are not believed.
  const isEmpty = faultByCode(refusal) === "account" || (fault === "account" && retryAfterMs === null);
  const limit = { kind: "rate_limited", statusCode: answer.status, message } as const;
  return isEmpty
    ? { ...limit, cause: "account_empty", retryAfterMs: retryAfterMs ?? EMPTY_ACCOUNT_WAIT_MS }
    : { ...limit, cause: "rate", retryAfterMs };
}

/** No wait cures it here; where no other deployment takes it, it is the request that is too large. */
function overLimit(r: Refused): TurnedAway {
  return { ...away(r, "over_limit"), otherwise: rejected(r, "context_length_exceeded") };
}

function rejected({ answer, message, usage }: Refused, code: Rejected["code"]): Rejected {
  const { status: statusCode, headers } = answer;
  const body = asJson(answer.body);
  return { kind: "rejected", code, statusCode, requestId: requestIdOf(headers), body, message, usage };
}

/** A refusal that is no JSON, or was cut, is kept as a JSON string; null: there is none. */
function asJson(body: string): string | null {
  if (body.trim() === "") return null;
  return parsed(body) === undefined ? JSON.stringify(body.toWellFormed()) : body;
}

/** Undefined: not JSON, or nested so deeply that readers of JSON die of it. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeeperThan(value, MAX_NESTING_LEVELS) ? undefined : value;
  } catch {
    // Not JSON is an expected answer of relays and of servers that break: the caller says what it makes of it.
    return undefined;
  }
}

function requestIdOf(headers: Answer["headers"]): string | null {
  return (
    headers.get("apim-request-id") ??
    headers.get("x-request-id") ??
    headers.get("x-ms-request-id") ??
    headers.get("request-id")
  );
}
