import { isObject, type Json } from "./fields.ts";

/** What can be done to a call instead of answering it. */
export const FAULT_KINDS = [
  "latency", // answered rightly, after latency_ms
  "hang", // never answered
  "status", // an error of that status
  "reset", // the connection is reset
  "half", // half of the answer, then the connection ends
  "html", // a page of HTML instead
  "empty", // no body
  "broken_json", // JSON that stops in the middle, in a complete HTTP answer
  "stream_error", // half of a stream, then an error in it; an error of status 500 where nothing is streamed
  "huge", // a valid answer of that many bytes
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** The status that `status` and `html` answer. */
  readonly status: number;
  /** What `status` sends as retry-after-ms and retry-after. */
  readonly retryAfterMs: number | undefined;
  /** Instead of the model's own latency; not scaled. */
  readonly latencyMs: number | undefined;
  /** The size of `huge`. */
  readonly bytes: number;
}

/** A fault, and the calls it is meant for: those that match, after the first `after`, `times` of them. */
export interface FaultRule {
  readonly fault: Fault;
  readonly profile: string | undefined;
  readonly model: string | undefined;
  readonly endpoint: string | undefined;
  readonly job: string | undefined;
  readonly after: number;
  readonly times: number;
  readonly probability: number;
}

/** A rule that cannot be understood; the message says what of it. */
export class FaultRuleInvalid extends Error {
  override readonly name = "FaultRuleInvalid";
}

const DEFAULT_HUGE_BYTES = 100 * 1024 * 1024;
const MAX_HUGE_BYTES = 1024 * 1024 * 1024;
/** Longer than any caller waits, and short enough for a timer. */
const MAX_MS = 24 * 3600 * 1000;
const MAX_TIMES = 1_000_000_000;

const NUMBERS: Readonly<Record<string, { min: number; max: number; integer: boolean }>> = {
  status: { min: 200, max: 599, integer: true },
  retry_after_ms: { min: 0, max: MAX_MS, integer: true },
  retry_after: { min: 0, max: MAX_MS / 1000, integer: false },
  latency_ms: { min: 0, max: MAX_MS, integer: false },
  bytes: { min: 0, max: MAX_HUGE_BYTES, integer: true },
  times: { min: 1, max: MAX_TIMES, integer: true },
  after: { min: 0, max: MAX_TIMES, integer: true },
  probability: { min: 0, max: 1, integer: false },
};
const TEXTS = ["fault", "profile", "model", "endpoint", "job"];

/**
 * Reads a rule as POST /_control and directives give it: {fault, profile, model, endpoint, job, status,
 * retry_after_ms, retry_after, latency_ms, bytes, times, after, probability}. `fault` may be left out where `status`
 * or `latency_ms` says it.
 * @throws FaultRuleInvalid
 */
export function readFaultRule(value: unknown): FaultRule {
  if (!isObject(value)) throw new FaultRuleInvalid("a rule is a JSON object");
  for (const name of Object.keys(value)) {
    if (!TEXTS.includes(name) && !Object.hasOwn(NUMBERS, name)) {
      throw new FaultRuleInvalid(
        `there is no field ${name}; there are ${[...TEXTS, ...Object.keys(NUMBERS)].join(", ")}`,
      );
    }
  }
  const retryAfter = numberIn(value, "retry_after");
  const status = numberIn(value, "status");
  const latencyMs = numberIn(value, "latency_ms");
  const kind = kindOf(textIn(value, "fault"), status, latencyMs);
  return {
    fault: {
      kind,
      status: status ?? (kind === "status" ? 500 : 200),
      retryAfterMs:
        numberIn(value, "retry_after_ms") ?? (retryAfter === undefined ? undefined : retryAfter * 1000),
      latencyMs,
      bytes: numberIn(value, "bytes") ?? DEFAULT_HUGE_BYTES,
    },
    profile: textIn(value, "profile"),
    model: textIn(value, "model"),
    endpoint: textIn(value, "endpoint"),
    job: textIn(value, "job"),
    after: numberIn(value, "after") ?? 0,
    times: numberIn(value, "times") ?? Number.POSITIVE_INFINITY,
    probability: numberIn(value, "probability") ?? 1,
  };
}

function kindOf(
  name: string | undefined,
  status: number | undefined,
  latencyMs: number | undefined,
): FaultKind {
  if (name === undefined) {
    if (status !== undefined) return "status";
    if (latencyMs !== undefined) return "latency";
  }
  const kind = FAULT_KINDS.find((each) => each === name);
  if (kind !== undefined) return kind;
  throw new FaultRuleInvalid(
    `${name === undefined ? "a rule needs a fault" : `there is no fault ${name}`}: one of ${FAULT_KINDS.join(", ")}`,
  );
}

function textIn(value: Json, name: string): string | undefined {
  const text = value[name];
  if (text === undefined || text === null || text === "*") return undefined;
  if (typeof text !== "string" || text === "") throw new FaultRuleInvalid(`${name} must be a text`);
  return text;
}

function numberIn(value: Json, name: string): number | undefined {
  const given = value[name];
  if (given === undefined || given === null) return undefined;
  const { min, max, integer } = NUMBERS[name] ?? { min: 0, max: 0, integer: false };
  if (typeof given === "number" && given >= min && given <= max && (!integer || Number.isInteger(given)))
    return given;
  throw new FaultRuleInvalid(`${name} must be a${integer ? " whole" : ""} number, ${min} to ${max}`);
}

export interface CallLabels {
  readonly profile: string;
  readonly model: string;
  readonly endpoint: string;
  readonly job: string | null;
}

export function matches(rule: FaultRule, call: CallLabels): boolean {
  return (
    (rule.profile ?? call.profile) === call.profile &&
    (rule.model ?? call.model) === call.model &&
    (rule.endpoint ?? call.endpoint) === call.endpoint &&
    (rule.job ?? call.job) === call.job
  );
}

/**
 * Whether the rule strikes the call that is the `hit`-th it matches, from 1.
 * @param chance in [0, 1)
 */
export function strikes(rule: FaultRule, hit: number, chance: number): boolean {
  return hit > rule.after && hit <= rule.after + rule.times && chance < rule.probability;
}
