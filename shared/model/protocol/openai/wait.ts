import { clamped } from "../../../bounds.ts";
import { MAX_RETRY_AFTER_SECONDS } from "../../../limits.ts";
import { DURATION, numberOf, unitsMs, untilMs } from "./durations.ts";
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
  const ms = numberOf(
    (headers.get("retry-after-ms") ?? headers.get("x-ms-retry-after-ms"))?.replace(/ms$/, "") ?? null,
  );
  if (ms !== null && ms >= 0) return ms;
  const after = headers.get("retry-after");
  return after?.trim().startsWith("-") ? null : untilMs(after, nowMs);
}

/** Labs, relays and gateways name their quotas each in its way: what is left of each, and when it is back. */
const LEFT_AND_RESET: readonly (readonly [left: string, reset: string])[] = [
  ...["requests", "tokens"].flatMap((of) =>
    ["", "-second", "-minute", "-hour", "-day"].map(
      (per) => [`x-ratelimit-remaining-${of}${per}`, `x-ratelimit-reset-${of}${per}`] as const,
    ),
  ),
  ...["requests", "tokens", "input-tokens", "output-tokens"].map(
    (of) => [`anthropic-ratelimit-${of}-remaining`, `anthropic-ratelimit-${of}-reset`] as const,
  ),
  ["ratelimitbysize-remaining", "ratelimitbysize-reset"],
];

/** When the last of the used-up quotas is back. */
function resetMsOf(headers: Headers, nowMs: number): number | null {
  const resets = LEFT_AND_RESET.flatMap(([left, reset]) => {
    const ms = (numberOf(headers.get(left)) ?? 1) > 0 ? null : untilMs(headers.get(reset), nowMs);
    return ms === null ? [] : [ms];
  });
  return resets.length === 0 ? plainResetMsOf(headers, nowMs) : Math.max(...resets);
}

/** Relays name one quota only, by the standard's draft too: `"default";r=0;t=50`, `limit=9, remaining=0, reset=50`. */
function plainResetMsOf(headers: Headers, nowMs: number): number | null {
  const draft = headers.get("ratelimit") ?? "";
  const part = (name: RegExp) => name.exec(draft)?.[1] ?? null;
  const left = numberOf(
    headers.get("x-ratelimit-remaining") ??
      headers.get("ratelimit-remaining") ??
      part(/\br(?:emaining)?=(\d+)/),
  );
  if (left !== null && left > 0) return null;
  const told = [
    "x-ratelimit-reset",
    "ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-ratelimit-timeremaining",
  ];
  return untilMs(
    told.map((name) => headers.get(name)).find((each) => each !== null) ?? part(/\b(?:t|reset)=(\d+)/),
    nowMs,
  );
}

/** «Please try again in 6m0s», «Please retry after 26 seconds», «Expected available in 12 seconds». */
const SPOKEN = new RegExp(
  `(?:try again|retry|wait|available|resets?)(?: (?:in|after|for))?:? (${DURATION})`,
  "i",
);

function wordsMsOf(words: string): number | null {
  const found = SPOKEN.exec(words)?.[1];
  return found === undefined ? null : unitsMs(found);
}
