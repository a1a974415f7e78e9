import { z } from "zod";
import { clamped, numberIn } from "../../bounds.ts";
import { MAX_CLOCKS_APART_MS } from "../../limits.ts";
import type { LimitHeaders, QuotaHeaders } from "../../model/quota-headers.ts";
import {
  at,
  type Belief,
  beliefSchema,
  counted,
  fromNothing,
  giveBack,
  hasRoom,
  MOST_WINDOW_MS,
  mostOf,
  newBelief,
  roomAtMs,
  roomIn,
  spend,
  uncounted,
  usedShare,
  within,
} from "./belief.ts";
import { observe, refused, unsaid } from "./learning.ts";

/** The quota of a deployment, or of several that share it, as it is believed to be. Plain data, for it is stored. */
export const poolSchema = z.object({
  /** Null: without a limit, as far as is known. */
  requests: beliefSchema.nullable(),
  tokens: beliefSchema.nullable(),
  /** A refusal asked to be spared until then. */
  not_before_ms: z.number(),
  /** When it was last taken from, or an answer came; absent: an older version did not say. */
  heard_ms: z.number().exactOptional(),
});
export type Pool = Readonly<z.infer<typeof poolSchema>>;

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

export const UNKNOWN_WAIT_MS = 1_000;
/** Longest wait a refusal can ask for in one go. */
export const MOST_WAIT_MS = 600_000;
/** A pool that nobody has heard of for so long lets one call through, whatever is believed of it. */
const FORGOTTEN_MS = 600_000;
/** Where a pool without known limits refuses: a careful beginning, from which it recovers. */
const UNKNOWN_PER_SECOND = 1;
/** No limit that a header names is less than one a minute, or than this share of the catalogue's. */
const LEAST_PER_MINUTE = 1;
const LEAST_SHARE = 0.05;

export function newPool(limits: PoolLimits, nowMs: number): Pool {
  const { window_seconds: windowSeconds, shape } = limits;
  const belief = (perMinute: number | undefined) => {
    if (perMinute === undefined) return null;
    const perSecond = perMinute / 60;
    return newBelief({ ceilingPerSecond: perSecond, perSecond, windowSeconds, shape }, nowMs);
  };
  const { requests_per_minute, tokens_per_minute } = limits;
  const beliefs = { requests: belief(requests_per_minute), tokens: belief(tokens_per_minute) };
  return { ...beliefs, not_before_ms: 0, heard_ms: nowMs };
}

/** As it was stored, within bounds: the catalogue may have been changed since, and clocks put right. */
export function withLimits(pool: Pool, limits: PoolLimits, nowMs: number): Pool {
  const fresh = newPool(limits, nowMs);
  const of = (known: Belief | null, named: Belief | null) => {
    if ((known?.ceiling_per_second ?? null) !== (named?.ceiling_per_second ?? null)) return named;
    return known === null ? null : within(known, nowMs);
  };
  return {
    ...pool,
    requests: of(pool.requests, fresh.requests),
    tokens: of(pool.tokens, fresh.tokens),
    heard_ms: Math.min(pool.heard_ms ?? nowMs, nowMs),
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
    ...pool,
    requests: requests === null ? null : change(requests, "requests"),
    tokens: tokens === null ? null : change(tokens, "tokens"),
    not_before_ms,
  };
}

/** The same pool at a later time: what all the questions below are asked of. */
export function poolAt(pool: Pool, nowMs: number): Pool {
  // No refusal asks for longer: the clock of whoever wrote it was wrong.
  const isWrong = pool.not_before_ms > nowMs + MOST_WAIT_MS + MAX_CLOCKS_APART_MS;
  return eachLimit(pool, (belief) => at(belief, nowMs), isWrong ? nowMs : pool.not_before_ms);
}

/** Jobs wait for a pool that no answer has told of yet. @param pool at that time */
export function expectNothing(pool: Pool, nowMs: number): Pool {
  return eachLimit(pool, (belief) => fromNothing(belief, nowMs));
}

export function poolHasRoom(pool: Pool, amount: number, nowMs: number): boolean {
  const { requests, tokens, not_before_ms } = pool;
  if (nowMs < not_before_ms) return false;
  if (nowMs >= forgottenMs(pool)) return true;
  return (requests === null || hasRoom(requests, 1)) && (tokens === null || hasRoom(tokens, amount));
}

function forgottenMs({ heard_ms }: Pool): number {
  return (heard_ms ?? Infinity) + FORGOTTEN_MS;
}

/** When a call of so many tokens will have room, if nobody takes any meanwhile. */
export function poolRoomAtMs(pool: Pool, amount: number, nowMs: number): number {
  const { requests, tokens, not_before_ms } = pool;
  const requestsAtMs = requests === null ? 0 : roomAtMs(requests, 1);
  const tokensAtMs = tokens === null ? 0 : roomAtMs(tokens, amount);
  return Math.max(nowMs, not_before_ms, Math.min(forgottenMs(pool), Math.max(requestsAtMs, tokensAtMs)));
}

/**
 * What a call uses of a pool, in seconds of what flows back: of requests or of tokens, whichever is scarcer. Never
 * nothing, and never more than a minute's.
 */
export function costOf({ requests, tokens }: Pool, amount: number): number {
  if (requests === null && tokens === null) return UNLIMITED_COST;
  const ofRequests = requests === null ? 0 : 1 / requests.per_second;
  const ofTokens = tokens === null ? 0 : Math.max(1, amount) / tokens.per_second;
  return Math.min(Math.max(ofRequests, ofTokens, LEAST_COST), MOST_COST);
}

/** Where nothing is known to be scarce, each call counts as much as another. */
const UNLIMITED_COST = 0.02;
const LEAST_COST = 1e-6;
const MOST_COST = 60;

export function poolRoom({ requests, tokens }: Pool): { requests: number; tokens: number } {
  return {
    requests: requests === null ? Infinity : roomIn(requests),
    tokens: tokens === null ? Infinity : roomIn(tokens),
  };
}

export function takeFrom(pool: Pool, requests: number, tokens: number): Pool {
  const taken = eachLimit(pool, (belief, kind) =>
    spend(belief, kind === "requests" ? requests : counted(belief, tokens)),
  );
  const heardMs = (pool.requests ?? pool.tokens)?.at_ms;
  return heardMs === undefined ? taken : { ...taken, heard_ms: heardMs };
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
  const headers = {
    requests: credible(news.headers.requests, pool.requests),
    tokens: credible(news.headers.tokens, pool.tokens),
  };
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
  return { ...eachLimit(known, learnt, notBeforeMs), heard_ms: nowMs };
}

/** Numbers from outside: what no server can mean does not become a belief that nothing would correct. */
function credible(told: LimitHeaders | null, belief: Belief | null): LimitHeaders | null {
  if (told === null || !Number.isFinite(told.left)) return null;
  const least = Math.max(LEAST_PER_MINUTE, (belief?.ceiling_per_second ?? 0) * 60 * LEAST_SHARE);
  const per_minute = numberIn(told.per_minute, least, Number.MAX_SAFE_INTEGER) ?? null;
  const most = Math.max(per_minute ?? 0, belief === null ? 0 : mostOf(belief));
  // Less than nothing by a minute's flow at most.
  const flow = (belief?.per_second ?? Infinity) * 60;
  const left = clamped(told.left, -Math.min(most, per_minute ?? most, flow), most);
  const reset_ms = told.reset_ms === null ? null : clamped(told.reset_ms, 0, MOST_WINDOW_MS);
  return { per_minute, left, reset_ms };
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
