import type { Cost } from "./cost.ts";
import type { QuotaHeaders } from "./quota-headers.ts";
import type { Usage } from "./usage.ts";
import type { Illness } from "./wait-cause.ts";

/** How a call ended, as far as the job is concerned. docs/answers.md has the table for users. */
export type Outcome = (
  | Completed
  | Invalid
  | Rejected
  | TurnedAway
  | Retry
  | RateLimited
  | TooLarge
  | BrokenOff
  | Aborted
) & {
  /** What the answer says of the deployment's quota; absent where there was none. */
  readonly quota?: QuotaHeaders;
  /** When the answer was there, Unix ms; absent: none came. */
  readonly answeredMs?: number;
  /** SHA-256 of the answer's bytes, as far as they were read; absent: none came. */
  readonly responseSha256?: string;
  /** What the lab itself says that the call costs; absent: nothing. */
  readonly labCost?: Cost;
  /** `message` without what it repeats of the request, for the audit trail; absent: it repeats nothing. */
  readonly trailMessage?: string;
  /** The words that `message` only has a code for; absent: it has them. */
  readonly operatorWords?: string;
};

/** What a lab says of these is about the operator's keys, roles and addresses, not about the job. */
const OPERATORS_CAUSES: ReadonlySet<string> = new Set<TurnedAwayCause>([
  "credential_refused",
  "not_permitted",
  "deployment_unknown",
]);

/** Whether a tenant is to hear a code in the place of the words. */
export function isForOperators(outcome: Outcome): boolean {
  if ("cause" in outcome) return OPERATORS_CAUSES.has(outcome.cause);
  return outcome.kind === "retry" && (outcome.reason === "network" || outcome.reason === "not_fetched");
}

/** Whether the connection of such a call may yet bring what belongs to it: nothing else is to go over it. */
export function isDoubtful(outcome: Outcome): boolean {
  if (outcome.kind === "retry" || outcome.kind === "too_large" || outcome.kind === "aborted") return true;
  if (outcome.kind === "broken_off") return true;
  return outcome.statusCode === 408 || outcome.statusCode >= 500;
}

/**
 * Whether the lab bills for a call: `no`, certainly not; `maybe`, nobody can tell; `known`, it says what was used. A
 * call that is not billed spends none of a job's attempts.
 */
export type Billed = "no" | "maybe" | "known";

export interface Completed {
  readonly kind: "completed";
  readonly statusCode: number;
  readonly requestId: string | null;
  /** The answer's JSON text, byte for byte. */
  readonly body: string;
  readonly usage: Usage | null;
  /** Why the answer is not whole, in the lab's word: `length`, `max_output_tokens`, `content_filter`; absent: it is. */
  readonly incomplete?: string;
  /** Absent: it was not asked. */
  readonly validation?: Validation;
}

/** Whether an answer holds the JSON schema that its request asks for. `validation_unavailable`: nobody can tell. */
export const VALIDATIONS = ["valid", "invalid", "validation_unavailable"] as const;
export type Validation = (typeof VALIDATIONS)[number];

/** An answer that does not hold the JSON schema of its request, where only one that does will do. */
export interface Invalid {
  readonly kind: "invalid";
  readonly statusCode: number;
  readonly message: string;
  readonly usage: Usage | null;
}

/** The request itself is refused: no deployment of this model would take it, and not later either. */
export interface Rejected {
  readonly kind: "rejected";
  readonly code: "upstream_bad_request" | "content_filtered" | "context_length_exceeded";
  readonly statusCode: number;
  readonly requestId: string | null;
  /** The refusal as JSON: byte for byte, or a string of what was no JSON; null where it was empty. */
  readonly body: string | null;
  readonly message: string;
  readonly usage: Usage | null;
}

/** This deployment will not do: another one may. */
export interface TurnedAway {
  readonly kind: "turned_away";
  readonly cause: TurnedAwayCause;
  readonly statusCode: number;
  readonly message: string;
  readonly billed: Exclude<Billed, "known">;
  readonly usage: Usage | null;
  /** What it means where no other deployment is left: absent, it is the operator's fault. */
  readonly otherwise?: Rejected;
}

export type TurnedAwayCause =
  /** A key or token that is wrong, missing or over. */
  | "credential_refused"
  /** The credential is right, and may not do this. */
  | "not_permitted"
  /** No money, or a quota that is bought, is left. */
  | "account_empty"
  /** There is no such deployment or path, or it does not serve this endpoint. */
  | "deployment_unknown"
  /** It sends the call elsewhere, which would take the prompt to a place that is not in the catalogue. */
  | "redirected"
  /** The request alone is more than the deployment's limit lets in, however long it waits. */
  | "over_limit"
  /** It answers in a form that cannot be read, and would again. */
  | "unreadable_answer";

/** A passing fault. */
export interface Retry {
  readonly kind: "retry";
  readonly reason: string;
  readonly statusCode: number | null;
  readonly message: string;
  readonly retryAfterMs: number | null;
  readonly billed: Exclude<Billed, "known">;
  readonly usage: Usage | null;
}

/** 429: it is waited for. */
export interface RateLimited {
  readonly kind: "rate_limited";
  /** `account_empty`: a quota is spent that no wait of minutes brings back; somebody must pay or raise it. */
  readonly cause: "rate" | "account_empty";
  readonly statusCode: number;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

/** More came than is read of an answer. */
export interface TooLarge {
  readonly kind: "too_large";
  readonly bytes: number;
}

/** A stream ended before its answer did, and its beginning had been passed on: no other answer can follow it. */
export interface BrokenOff {
  readonly kind: "broken_off";
  readonly statusCode: null;
  readonly message: string;
}

export interface Aborted {
  readonly kind: "aborted";
  readonly reason: string;
  readonly billed: Exclude<Billed, "known">;
}

/** Whether the lab bills for the call. */
export function billedOf(outcome: Outcome): Billed {
  if ("usage" in outcome && outcome.usage !== null) return "known";
  switch (outcome.kind) {
    case "turned_away":
    case "retry":
    case "aborted":
      return outcome.billed;
    case "rejected":
    case "rate_limited":
      return "no";
    case "completed":
    case "invalid":
    case "too_large":
    case "broken_off":
      return "maybe";
  }
}

/**
 * What a call that was certainly not billed says of its deployment; undefined: it was billed, or may have been, or the
 * fault is not the deployment's.
 */
export function illnessOf(outcome: Outcome): Illness | undefined {
  if (billedOf(outcome) !== "no") return undefined;
  if (outcome.kind === "retry") return "deployment_failing";
  if (outcome.kind === "rate_limited") return outcome.cause === "account_empty" ? outcome.cause : undefined;
  if (outcome.kind !== "turned_away") return undefined;
  switch (outcome.cause) {
    case "credential_refused":
    case "account_empty":
      return outcome.cause;
    case "deployment_unknown":
    case "not_permitted":
      return "deployment_failing";
    case "redirected":
    case "over_limit":
    case "unreadable_answer":
      return undefined;
  }
}

/** Whether the job itself may have brought the failure about: the deployment had it, and answered. */
export function isPerhapsTheJobs(outcome: Outcome): boolean {
  const hasAnswered = "statusCode" in outcome && outcome.statusCode !== null;
  return hasAnswered && illnessOf(outcome) === "deployment_failing";
}

const FIRST_BACK_OFF_MS = 500;
const MAX_BACK_OFF_MS = 60_000;
/** After so many pauses the outage is a long one: each pause is a twentieth longer than the one before. */
const LONG_AFTER = 27;
const LONG_FACTOR = 1.05;
const MAX_LONG_BACK_OFF_MS = 15 * 60_000;

/**
 * The pause after failure number `failures` in a row, where none of them costs anything: doubled each time up to a
 * minute. It is spread over its upper half, so that jobs that failed together do not come back together, nor at once.
 */
export function backOffMs(failures: number, random: () => number): number {
  const most = Math.min(FIRST_BACK_OFF_MS * 2 ** Math.max(0, failures - 1), MAX_BACK_OFF_MS);
  const long = Math.min(most * LONG_FACTOR ** Math.max(0, failures - LONG_AFTER), MAX_LONG_BACK_OFF_MS);
  return spread(long, random);
}

const FIRST_SPENT_BACK_OFF_MS = 1_000;
const SPENT_FACTOR = 5;
const MAX_SPENT_BACK_OFF_MS = 120_000;

/**
 * The pause after spent attempt number `spent`. A job has few of them, so the pauses grow fast: five attempts last over
 * an outage of a minute.
 */
export function spentBackOffMs(spent: number, random: () => number): number {
  const most = FIRST_SPENT_BACK_OFF_MS * SPENT_FACTOR ** Math.max(0, spent - 1);
  return spread(Math.min(most, MAX_SPENT_BACK_OFF_MS), random);
}

function spread(mostMs: number, random: () => number): number {
  return Math.ceil(mostMs / 2 + (mostMs / 2) * random());
}
