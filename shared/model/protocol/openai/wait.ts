import { clamped } from "../../../bounds.ts";
import { MAX_RETRY_AFTER_SECONDS } from "../../../limits.ts";
import { numberOf, unitsMs, untilMs } from "./durations.ts";
import { quotaHeadersOf } from "./quota-headers.ts";
import type { Refusal } from "./refusal.ts";

interface Headers {
  get(name: string): string | null;
}

/** «At once» is what a deployment says that has just refused: a moment lies between all the same. */
const LEAST_WAIT_MS = 50;

/**
 * How long a deployment asks to be left alone, ms, within what may be asked for in one go; null: it does not say. The
 * most explicit counts: Retry-After, the body's own field, the reset of a quota of which nothing is left, the words.
 */
export function askedWaitMs(headers: Headers, refusal: Refusal, nowMs: number): number | null {
  const ms =
    retryAfterMsOf(headers, nowMs) ??
    (refusal.retryDelay === null ? null : untilMs(refusal.retryDelay, nowMs)) ??
    resetMsOf(headers, nowMs) ??
    wordsMsOf(refusal.words);
  return ms === null ? null : clamped(ms, LEAST_WAIT_MS, MAX_RETRY_AFTER_SECONDS * 1000);
}

/** `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` in seconds, with a unit, or as a date. */
export function retryAfterMsOf(headers: Headers, nowMs: number): number | null {
  const ms = numberOf(headers.get("retry-after-ms") ?? headers.get("x-ms-retry-after-ms"));
  if (ms !== null && ms >= 0) return ms;
  const after = headers.get("retry-after");
  return after?.trim().startsWith("-") ? null : untilMs(after, nowMs);
}

/** When the last of the used-up quotas is back. */
function resetMsOf(headers: Headers, nowMs: number): number | null {
  const quota = quotaHeadersOf(headers, nowMs);
  const resets = [quota?.requests, quota?.tokens].flatMap((limit) =>
    limit && limit.left <= 0 && limit.reset_ms !== null ? [limit.reset_ms] : [],
  );
  return resets.length === 0 ? plainResetMsOf(headers, nowMs) : Math.max(...resets);
}

/** Relays name one quota only. */
function plainResetMsOf(headers: Headers, nowMs: number): number | null {
  const left = numberOf(headers.get("x-ratelimit-remaining") ?? headers.get("ratelimit-remaining"));
  if (left !== null && left > 0) return null;
  return untilMs(headers.get("x-ratelimit-reset") ?? headers.get("ratelimit-reset"), nowMs);
}

/** «Please try again in 6m0s», «Please retry after 26 seconds». */
function wordsMsOf(words: string): number | null {
  const found =
    /(?:try again|retry|wait)(?: (?:in|after|for))? ((?:\d+(?:\.\d+)?\s*(?:ms|[dhms])(?![a-z])\s*)+)/i.exec(
      words,
    );
  if (found?.[1] !== undefined) return unitsMs(found[1]);
  const spoken =
    /(?:try again|retry|wait)(?: (?:in|after|for))? (\d+(?:\.\d+)?) (second|minute|hour)s?/i.exec(words);
  if (spoken === null) return null;
  const unit = spoken[2]?.toLowerCase();
  return Number(spoken[1]) * (unit === "hour" ? 3_600_000 : unit === "minute" ? 60_000 : 1_000);
}
