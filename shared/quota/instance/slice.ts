import { endsMs } from "../belief/belief.ts";
import { type Pool, poolRoom } from "../belief/pool.ts";

/** What an instance has taken of a pool, to admit calls from without asking anybody. */
export interface Slice {
  readonly requests: number;
  readonly tokens: number;
  readonly lapses_ms: number;
  readonly taken_ms: number;
  /** Calls it was made for, and admitted from it so far. */
  readonly size: number;
  readonly used: number;
}

export const NO_SLICE: Slice = { requests: 0, tokens: 0, lapses_ms: 0, taken_ms: 0, size: 0, used: 0 };

/** A slice is for the calls of this time, at the rate they came at lately. */
const SLICE_SECONDS = 2;
export const LAPSES_MS = 5_000;
/** At most this share of what is there: others want some too. */
export const MOST_SHARE = 0.5;
const LEAST_CALLS = 4;
/** When so much of it is left, the next is fetched meanwhile. */
export const REFILL_SHARE = 0.3;

/**
 * How large a slice should be: what the last one was used up at, and no more than a part of what is there, but one
 * call's worth in any case.
 * @param tokens of the call that it is for
 * @param wanting calls that wait for it now
 */
export function sliceSize(pool: Pool, tokens: number, last: Slice, nowMs: number, wanting: number): Slice {
  const room = poolRoom(pool);
  const seconds = Math.max(0.05, (nowMs - last.taken_ms) / 1000);
  const calls = Math.max(LEAST_CALLS, 2 * wanting, Math.ceil((last.used / seconds) * SLICE_SECONDS));
  const requests = Math.max(1, Math.floor(Math.min(calls, room.requests * MOST_SHARE)));
  const wanted = Math.max(tokens, requests * tokens);
  const capped = Math.max(tokens, Math.min(wanted, room.tokens * MOST_SHARE));
  const ends = Math.min(endsMs(pool.requests), endsMs(pool.tokens), nowMs + LAPSES_MS);
  return {
    requests,
    tokens: Math.ceil(capped),
    lapses_ms: Math.max(ends, nowMs + 100),
    taken_ms: nowMs,
    size: requests,
    used: 0,
  };
}

/** What is left of one, and a new one. */
export function together(one: Slice, other: Slice): Slice {
  if (one === NO_SLICE) return other;
  return { ...other, requests: one.requests + other.requests, tokens: one.tokens + other.tokens };
}
