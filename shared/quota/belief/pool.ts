import { z } from "zod";
import type { LimitHeaders, QuotaHeaders } from "../../model/quota-headers.ts";
import {
  at,
  type Belief,
  beliefSchema,
  counted,
  fromNothing,
  giveBack,
  hasRoom,
  newBelief,
  roomAtMs,
  roomIn,
  spend,
  uncounted,
  usedShare,
} from "./belief.ts";
import { observe, refused, unsaid } from "./learning.ts";

/** The quota of a deployment, or of several that share it, as it is believed to be. Plain data, for it is stored. */
export const poolSchema = z.object({
  /** Null: without a limit, as far as is known. */
  requests: beliefSchema.nullable(),
  tokens: beliefSchema.nullable(),
  /** A refusal asked to be spared until then. */
  not_before_ms: z.number(),
});
export type Pool = Readonly<z.infer<typeof poolSchema>>;

/** What the catalogue says of a pool. */
export interface PoolLimits {
  readonly requests_per_minute?: number | undefined;
  readonly tokens_per_minute?: number | undefined;
  readonly window_seconds?: number | undefined;
  readonly shape?: "bucket" | "window" | undefined;
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
/** What a header can say: a limit of less than one a minute, or a window of more than a day, is nobody's. */
const LEAST_PER_MINUTE = 1;
const MOST_RESET_MS = 86_400_000;

export function newPool(limits: PoolLimits, nowMs: number): Pool {
  const { window_seconds: windowSeconds, shape } = limits;
  const belief = (perMinute: number | undefined) => {
    if (perMinute === undefined) return null;
    const perSecond = perMinute / 60;
    return newBelief({ ceilingPerSecond: perSecond, perSecond, windowSeconds, shape }, nowMs);
  };
  const { requests_per_minute, tokens_per_minute } = limits;
  return { requests: belief(requests_per_minute), tokens: belief(tokens_per_minute), not_before_ms: 0 };
}

/** The catalogue may have been changed since the pool was stored. */
export function withLimits(pool: Pool, limits: PoolLimits, nowMs: number): Pool {
  const fresh = newPool(limits, nowMs);
  const of = (known: Belief | null, named: Belief | null) =>
    (known?.ceiling_per_second ?? null) === (named?.ceiling_per_second ?? null) ? known : named;
  return {
    requests: of(pool.requests, fresh.requests),
    tokens: of(pool.tokens, fresh.tokens),
    not_before_ms: pool.not_before_ms,
  };
}

/** Whether it has any limit, by the catalogue or learnt. One without costs nothing. */
export function isLimited(pool: Pool): boolean {
  return pool.requests !== null || pool.tokens !== null;
}

export function eachLimit(
  pool: Pool,
  change: (belief: Belief, kind: "requests" | "tokens") => Belief,
  not_before_ms = pool.not_before_ms,
): Pool {
  const { requests, tokens } = pool;
  return {
    requests: requests === null ? null : change(requests, "requests"),
    tokens: tokens === null ? null : change(tokens, "tokens"),
    not_before_ms,
  };
}

/** The same pool at a later time: what all the questions below are asked of. */
export function poolAt(pool: Pool, nowMs: number): Pool {
  // No refusal is believed to have asked for longer: the clock of whoever wrote it was wrong.
  return eachLimit(pool, (belief) => at(belief, nowMs), Math.min(pool.not_before_ms, nowMs + MOST_WAIT_MS));
}

/** Jobs wait for a pool that no answer has told of yet. @param pool at that time */
export function expectNothing(pool: Pool, nowMs: number): Pool {
  return eachLimit(pool, (belief) => fromNothing(belief, nowMs));
}

export function poolHasRoom(
  { requests, tokens, not_before_ms }: Pool,
  amount: number,
  nowMs: number,
): boolean {
  if (nowMs < not_before_ms) return false;
  return (requests === null || hasRoom(requests, 1)) && (tokens === null || hasRoom(tokens, amount));
}

/** When a call of so many tokens will have room, if nobody takes any meanwhile. */
export function poolRoomAtMs(
  { requests, tokens, not_before_ms }: Pool,
  amount: number,
  nowMs: number,
): number {
  const requestsAtMs = requests === null ? 0 : roomAtMs(requests, 1);
  const tokensAtMs = tokens === null ? 0 : roomAtMs(tokens, amount);
  return Math.max(nowMs, not_before_ms, requestsAtMs, tokensAtMs);
}

/** What could be taken at once. */
export function poolRoom({ requests, tokens }: Pool): { requests: number; tokens: number } {
  return {
    requests: requests === null ? Infinity : roomIn(requests),
    tokens: tokens === null ? Infinity : roomIn(tokens),
  };
}

export function takeFrom(pool: Pool, requests: number, tokens: number): Pool {
  return eachLimit(pool, (belief, kind) =>
    spend(belief, kind === "requests" ? requests : counted(belief, tokens)),
  );
}

export function giveBackTo(pool: Pool, requests: number, tokens: number): Pool {
  return eachLimit(pool, (belief, kind) =>
    giveBack(belief, kind === "requests" ? requests : counted(belief, tokens)),
  );
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
  const { taken, arrived_ms, exact, retry_after_ms: retryAfterMs } = news;
  const headers = { requests: credible(news.headers.requests), tokens: credible(news.headers.tokens) };
  const known = news.refused ? limitedBy(pool, headers, nowMs) : pool;
  const [ofRequests, ofTokens] = [known.requests, known.tokens].map((belief) =>
    belief === null ? -1 : usedShare(belief),
  );
  const cause = (ofRequests ?? 0) > (ofTokens ?? 0) ? "requests" : "tokens";
  const waitMs = Math.min(retryAfterMs ?? UNKNOWN_WAIT_MS, MOST_WAIT_MS);
  const notBeforeMs = news.refused ? Math.max(pool.not_before_ms, nowMs + waitMs) : pool.not_before_ms;
  const learnt = (belief: Belief, kind: "requests" | "tokens"): Belief => {
    const mark = {
      ...{ at_ms: taken.at_ms, arrived_ms, exact, refused: news.refused, estimated: kind === "tokens" },
      spent: kind === "tokens" ? taken.spent_tokens : taken.spent_requests,
      burst: kind === "tokens" ? taken.burst_tokens : taken.burst_requests,
      amount: kind === "tokens" ? counted(belief, taken.tokens) : 1,
    };
    const told = headers[kind];
    // What was refused was not counted, or so it is assumed: where it is, the headers show it.
    const before = news.refused ? uncounted(belief, mark.amount) : belief;
    if (told !== null) return observe(before, told, mark);
    return news.refused ? refused(before, retryAfterMs, mark, kind === cause) : unsaid(before, mark);
  };
  return eachLimit(known, learnt, notBeforeMs);
}

/** Numbers from outside: what no server can mean does not become a belief that nothing would correct. */
function credible(told: LimitHeaders | null): LimitHeaders | null {
  if (told === null || !Number.isFinite(told.left)) return null;
  const { per_minute, left, reset_ms } = told;
  return {
    per_minute: per_minute !== null && per_minute >= LEAST_PER_MINUTE ? per_minute : null,
    left: Math.max(0, left),
    reset_ms: reset_ms === null ? null : Math.min(Math.max(0, reset_ms), MOST_RESET_MS),
  };
}

/** A refusal shows that there are limits: those the headers name, else a careful guess. */
function limitedBy(pool: Pool, headers: QuotaHeaders, nowMs: number): Pool {
  if (isLimited(pool)) return pool;
  const guess = headers.requests?.per_minute == null && headers.tokens?.per_minute == null;
  const named = (perMinute: number | null | undefined) =>
    perMinute == null ? null : newBelief({ ceilingPerSecond: null, perSecond: perMinute / 60 }, nowMs);
  return {
    ...pool,
    requests: named(guess ? UNKNOWN_PER_SECOND * 60 : headers.requests?.per_minute),
    tokens: named(headers.tokens?.per_minute),
  };
}
