import type { LimitHeaders, QuotaHeaders } from "../../model/quota-headers.ts";
import {
  at,
  counted,
  fromNothing,
  giveBack,
  hasRoom,
  type LimitBelief,
  type Mark,
  newBelief,
  roomAtMs,
  roomIn,
  spend,
  uncounted,
} from "./limit-belief.ts";
import { observe, refused, unsaid } from "./sighting.ts";

/** The quota of a deployment, or of several that share it, as it is believed to be. Plain data, for it is stored. */
export interface Pool {
  /** Null: without a limit, as far as is known. */
  readonly requests: LimitBelief | null;
  readonly tokens: LimitBelief | null;
  /** A refusal asked to be spared until then. */
  readonly not_before_ms: number;
}

/** What the catalogue says of a pool. */
export interface PoolLimits {
  readonly requests_per_minute?: number | undefined;
  readonly tokens_per_minute?: number | undefined;
  readonly window_seconds?: number | undefined;
}

/** A call let go: what was taken for it, and the state of what had been taken by then. */
export interface Taken {
  readonly tokens: number;
  readonly at_ms: number;
  readonly spent_requests: number;
  readonly spent_tokens: number;
  /** What was let go at the same time, this call included. */
  readonly burst_requests: number;
  readonly burst_tokens: number;
}

export interface QuotaNews {
  readonly taken: Taken;
  readonly refused: boolean;
  readonly headers: QuotaHeaders;
  readonly retry_after_ms: number | null;
  /** When the call reached the deployment, and whether that is known or reckoned. */
  readonly arrived_ms: number;
  readonly exact: boolean;
}

/** Where a refusal does not say when to come again. */
export const UNKNOWN_WAIT_MS = 1_000;
/** Longest wait a refusal can ask for in one go. */
const MOST_WAIT_MS = 600_000;
/** Where a pool without known limits refuses: a careful beginning, from which it recovers. */
const UNKNOWN_PER_SECOND = 1;

export function newPool(limits: PoolLimits, nowMs: number): Pool {
  const belief = (perMinute: number | undefined, counting: "exact" | "estimated") =>
    perMinute === undefined
      ? null
      : newBelief(perMinute / 60, perMinute / 60, limits.window_seconds, nowMs, counting);
  return {
    requests: belief(limits.requests_per_minute, "exact"),
    tokens: belief(limits.tokens_per_minute, "estimated"),
    not_before_ms: 0,
  };
}

/** The catalogue may have been changed since the pool was stored. */
export function withLimits(pool: Pool, limits: PoolLimits, nowMs: number): Pool {
  const fresh = newPool(limits, nowMs);
  const same = (a: Pool["requests"], b: Pool["requests"]) =>
    (a?.ceiling_per_second ?? null) === (b?.ceiling_per_second ?? null);
  return {
    ...pool,
    requests: same(pool.requests, fresh.requests) ? pool.requests : fresh.requests,
    tokens: same(pool.tokens, fresh.tokens) ? pool.tokens : fresh.tokens,
  };
}

/** Whether it has any limit, by the catalogue or learnt. One without costs nothing. */
export function isLimited(pool: Pool): boolean {
  return pool.requests !== null || pool.tokens !== null;
}

/** The same pool at a later time: what all the questions below are asked of. */
export function poolAt(pool: Pool, nowMs: number): Pool {
  return {
    requests: pool.requests === null ? null : at(pool.requests, nowMs),
    tokens: pool.tokens === null ? null : at(pool.tokens, nowMs),
    not_before_ms: pool.not_before_ms,
  };
}

/** Jobs wait for a pool that no answer has told of yet. @param pool at that time */
export function expectNothing(pool: Pool, nowMs: number): Pool {
  return {
    ...pool,
    requests: pool.requests === null ? null : fromNothing(pool.requests, nowMs),
    tokens: pool.tokens === null ? null : fromNothing(pool.tokens, nowMs),
  };
}

export function poolHasRoom(pool: Pool, tokens: number, nowMs: number): boolean {
  return (
    nowMs >= pool.not_before_ms &&
    (pool.requests === null || hasRoom(pool.requests, 1)) &&
    (pool.tokens === null || hasRoom(pool.tokens, tokens))
  );
}

/** When a call of so many tokens will have room, if nobody takes any meanwhile. */
export function poolRoomAtMs(pool: Pool, tokens: number, nowMs: number): number {
  return Math.max(
    nowMs,
    pool.not_before_ms,
    pool.requests === null ? 0 : roomAtMs(pool.requests, 1),
    pool.tokens === null ? 0 : roomAtMs(pool.tokens, tokens),
  );
}

/** What could be taken at once. */
export function poolRoom(pool: Pool): { requests: number; tokens: number } {
  return {
    requests: pool.requests === null ? Infinity : roomIn(pool.requests),
    tokens: pool.tokens === null ? Infinity : roomIn(pool.tokens),
  };
}

export function takeFrom(pool: Pool, requests: number, tokens: number): Pool {
  return {
    ...pool,
    requests: pool.requests === null ? null : spend(pool.requests, requests),
    tokens: pool.tokens === null ? null : spend(pool.tokens, counted(pool.tokens, tokens)),
  };
}

export function giveBackTo(pool: Pool, requests: number, tokens: number): Pool {
  return {
    ...pool,
    requests: pool.requests === null ? null : giveBack(pool.requests, requests),
    tokens: pool.tokens === null ? null : giveBack(pool.tokens, counted(pool.tokens, tokens)),
  };
}

/** What had been taken of a pool by now, for a call of so many tokens that was the last of it. */
export function takenOf(pool: Pool, tokens: number, nowMs: number): Taken {
  return {
    tokens,
    at_ms: nowMs,
    spent_requests: pool.requests?.spent ?? 0,
    spent_tokens: pool.tokens?.spent ?? 0,
    burst_requests: 1,
    burst_tokens: pool.tokens === null ? tokens : counted(pool.tokens, tokens),
  };
}

/** A pool that learnt what an answer said. @param pool at the time the answer is heard of */
export function learn(pool: Pool, news: QuotaNews, nowMs: number): Pool {
  const { taken, headers } = news;
  const known = news.refused ? limitedBy(pool, headers, nowMs) : pool;
  const when = { at_ms: taken.at_ms, arrived_ms: news.arrived_ms, exact: news.exact, uncounted: 0 };
  const requestsMark = { ...when, spent: taken.spent_requests, burst: taken.burst_requests };
  const requests = learnLimit(known.requests, headers.requests, requestsMark, 1, news, nowMs);
  const tokensMark = { ...when, spent: taken.spent_tokens, burst: taken.burst_tokens };
  const amount = known.tokens === null ? taken.tokens : counted(known.tokens, taken.tokens);
  const tokens = learnLimit(known.tokens, headers.tokens, tokensMark, amount, news, nowMs);
  const waitMs = Math.min(news.retry_after_ms ?? UNKNOWN_WAIT_MS, MOST_WAIT_MS);
  const not_before_ms = news.refused ? Math.max(pool.not_before_ms, nowMs + waitMs) : pool.not_before_ms;
  return { requests, tokens, not_before_ms };
}

/** A refusal shows that there are limits: those the headers name, else a careful guess. */
function limitedBy(pool: Pool, headers: QuotaHeaders, nowMs: number): Pool {
  if (isLimited(pool)) return pool;
  const named = (of: LimitHeaders | null, counting: "exact" | "estimated") =>
    of?.per_minute == null ? null : newBelief(null, of.per_minute / 60, undefined, nowMs, counting);
  const requests = named(headers.requests, "exact");
  const next = { ...pool, requests, tokens: named(headers.tokens, "estimated") };
  return isLimited(next)
    ? next
    : { ...next, requests: newBelief(null, UNKNOWN_PER_SECOND, undefined, nowMs) };
}

function learnLimit(
  belief: LimitBelief | null,
  headers: LimitHeaders | null,
  mark: Mark,
  amount: number,
  news: QuotaNews,
  nowMs: number,
): LimitBelief | null {
  if (belief === null) return null;
  if (!news.refused) return headers === null ? unsaid(belief) : observe(belief, headers, mark, amount);
  // What was refused was not counted, or so it is assumed: where it is, the headers show it.
  const back = uncounted(belief, amount);
  if (headers !== null) return observe(back, headers, { ...mark, uncounted: amount }, 0);
  return refused(back, news.retry_after_ms ?? UNKNOWN_WAIT_MS, nowMs);
}
