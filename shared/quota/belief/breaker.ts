import type { Illness } from "../../model/wait-cause.ts";

/** Why a call failed, for operators. */
export interface CallFault {
  readonly illness: Illness;
  /** In the lab's words, shortened. */
  readonly message: string;
  /** Unix ms. */
  readonly at_ms: number;
}

/** A deployment's health, as calls tell it. Plain data, for it is shared; times in Unix ms. */
export interface Breaker {
  readonly state: "closed" | "open" | "half_open";
  /** Jobs whose last call here failed, newest last: one job that nobody can answer says nothing of a deployment. */
  readonly failing_jobs: readonly string[];
  /** Calls and failures, old ones fading. */
  readonly calls: number;
  readonly failures: number;
  readonly counted_ms: number;
  /** How long calls take, smoothed; null before the first. */
  readonly latency_ms: number | null;
  readonly opened_ms: number;
  /** How long it stays open; doubled each time it opens again soon. */
  readonly open_for_ms: number;
  /** A probe is under way until then. */
  readonly probing_until_ms: number;
  /** When it closed again: from then on more and more calls are let through. Null: all are. */
  readonly ramp_from_ms: number | null;
  /** The last call's that failed; absent: none has, or an older version saw it. */
  readonly fault?: CallFault;
}

export const CLOSED: Breaker = {
  state: "closed",
  failing_jobs: [],
  calls: 0,
  failures: 0,
  counted_ms: 0,
  latency_ms: null,
  opened_ms: 0,
  open_for_ms: 0,
  probing_until_ms: 0,
  ramp_from_ms: null,
};

/** So many jobs in a row, or this share of the recent calls, fail: then it opens. */
const JOBS_IN_A_ROW = 5;
const FAILED_SHARE = 0.5;
const LEAST_CALLS = 10;
const RECENT_MS = 10_000;
/** A call that takes so many times the usual, and at least so long, counts as a failed one. */
const SLOW_FACTOR = 8;
const SLOW_MS = 30_000;
const FIRST_OPEN_MS = 5_000;
const MOST_OPEN_MS = 60_000;
/** A probe that has not come back by then is forgotten. */
const PROBE_MS = 30_000;
/** From the first call after a failure back to all of them. */
const RAMP_MS = 8_000;
const RAMP_START_SHARE = 0.1;
const LATENCY_GAIN = 0.1;

export type Health = "ok" | "failed";

/** What more is known of a call. */
export interface CallDetails {
  readonly fault?: CallFault;
  /** When it was let go, Unix ms. */
  readonly takenMs?: number;
}

export function detailsOf(call: {
  readonly fault?: CallFault;
  readonly taken: { readonly at_ms: number };
}): CallDetails {
  const { fault, taken } = call;
  return { takenMs: taken.at_ms, ...(fault === undefined ? {} : { fault }) };
}

/** After a call ended. @param jobId whose it was */
export function afterOutcome(
  b: Breaker,
  health: Health,
  latencyMs: number,
  jobId: string,
  nowMs: number,
  { fault, takenMs = 0 }: CallDetails = {},
): Breaker {
  const fade = 0.5 ** (Math.max(0, nowMs - b.counted_ms) / RECENT_MS);
  const slow = b.latency_ms !== null && latencyMs > Math.max(SLOW_MS, SLOW_FACTOR * b.latency_ms);
  const failed = health === "failed";
  const usual = b.latency_ms ?? latencyMs;
  // What is slow is judged by the usual, so it must not become it at once.
  const latency = failed ? b.latency_ms : usual + LATENCY_GAIN * (Math.min(latencyMs, 2 * usual) - usual);
  const next: Breaker = {
    ...b,
    calls: b.calls * fade + 1,
    failures: b.failures * fade + (failed || slow ? 1 : 0),
    counted_ms: Math.max(b.counted_ms, nowMs),
    latency_ms: latency,
    ...(failed && fault !== undefined ? { fault } : {}),
    failing_jobs: failed ? [...b.failing_jobs.filter((id) => id !== jobId), jobId].slice(-JOBS_IN_A_ROW) : [],
  };
  // One that an operator let through: an answer to a call from before it opened would say nothing new.
  const isNew = takenMs > b.opened_ms;
  if (b.state === "half_open" || (b.state === "open" && isNew))
    return failed ? opened(next, nowMs) : closedAgain(next, nowMs);
  if (b.state === "open") return failed ? opened(next, nowMs) : next;
  const many = next.calls >= LEAST_CALLS && next.failures >= next.calls * FAILED_SHARE;
  return next.failing_jobs.length >= JOBS_IN_A_ROW || (many && failed) ? opened(next, nowMs) : next;
}

function opened(b: Breaker, nowMs: number): Breaker {
  // An answer to a call from before it opened says nothing new.
  if (b.state === "open" && nowMs < b.opened_ms + b.open_for_ms) return b;
  const again = b.open_for_ms > 0 && nowMs - b.opened_ms < b.open_for_ms + RAMP_MS * 2;
  return {
    ...b,
    state: "open",
    opened_ms: nowMs,
    open_for_ms: again ? Math.min(b.open_for_ms * 2, MOST_OPEN_MS) : FIRST_OPEN_MS,
    probing_until_ms: 0,
    ramp_from_ms: null,
    failing_jobs: [],
  };
}

function closedAgain(b: Breaker, nowMs: number): Breaker {
  return {
    ...b,
    state: "closed",
    ramp_from_ms: nowMs,
    probing_until_ms: 0,
    calls: 0,
    failures: 0,
    failing_jobs: [],
  };
}

/** Whether a call may go now; `probe`: this one alone, to see whether it is well again. */
export function permits(b: Breaker, nowMs: number): "yes" | "probe" | "no" {
  if (b.state === "closed") return "yes";
  if (b.state === "open") return nowMs >= b.opened_ms + b.open_for_ms ? "probe" : "no";
  return nowMs >= b.probing_until_ms ? "probe" : "no";
}

/** The breaker once its probe was let go. */
export function probing(b: Breaker, nowMs: number): Breaker {
  return { ...b, state: "half_open", probing_until_ms: nowMs + PROBE_MS };
}

/** When it is worth asking again. */
export function permitsAtMs(b: Breaker, nowMs: number): number {
  if (b.state === "closed") return nowMs;
  return Math.max(nowMs, b.state === "open" ? b.opened_ms + b.open_for_ms : b.probing_until_ms);
}

/** What share of its usual calls it gets, 0 to 1: slowly more after it closed again. */
export function rampShare(b: Breaker, nowMs: number): number {
  if (b.ramp_from_ms === null) return 1;
  const share = (nowMs - b.ramp_from_ms) / RAMP_MS;
  return Math.min(1, Math.max(RAMP_START_SHARE, share));
}
