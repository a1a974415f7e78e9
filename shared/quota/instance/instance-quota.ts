import type { Clock } from "../../clock.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { WaitCause } from "../../model/wait-cause.ts";
import type { Stored } from "../../store.ts";
import { afterOutcome, type Breaker, CLOSED, permits, probing, rampShare } from "../belief/breaker.ts";
import {
  giveBackTo,
  isLimited,
  learn,
  newPool,
  type Pool,
  type PoolLimits,
  poolAt,
  poolHasRoom,
  poolRoomAtMs,
  type Taken,
  takeFrom,
  takenOf,
  withLimits,
} from "../belief/pool.ts";
import type { CallNews } from "../dispatch/scheduler.ts";
import type { PoolRecord, QuotaLedger } from "../ports.ts";
import { NO_SLICE, type Slice, sliceSize } from "./slice.ts";

/** What an instance must know of a deployment to admit calls to it. */
export interface Limited {
  readonly name: string;
  readonly pool: string;
  readonly limits: PoolLimits & { readonly concurrency?: number | undefined };
}

/** How often a slice is tried for against others who want one at the same time. */
const TRIES = 4;
/** What is known of a pool that had no room, or a backlog, is believed for so long. */
const ASK_AGAIN_MS = 400;
/** News of calls is written with the next slice; alone after so many, or when it is bad. */
const NEWS_KEPT = 48;
const NEWS_EVERY_MS = 1_000;
/** Of a slice, when so much is left the next is fetched meanwhile. */
const REFILL_SHARE = 0.3;

interface State {
  pool: Pool;
  slice: Slice;
  /** As last read or written; undefined: to be read. */
  stored: Stored<PoolRecord> | undefined;
  news: CallNews[];
  /** Nothing is to be had before. */
  nothingUntilMs: number;
  writtenMs: number;
  /** Callers that wait for a slice. */
  wanting: number;
  refilling: Promise<boolean> | undefined;
}

export interface InstanceQuotaDeps {
  readonly ledger: QuotaLedger;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * This instance's part of the quota that all share. It takes a slice of a pool by one conditional write and admits
 * calls from it in memory; what answers say rides along with the next slice. A deployment without limits costs
 * nothing until it refuses.
 */
export class InstanceQuota {
  readonly #deps: InstanceQuotaDeps;
  readonly #pools = new Map<string, State>();
  readonly #breakers = new Map<string, Breaker>();
  readonly #running = new Map<string, number>();

  constructor(deps: InstanceQuotaDeps) {
    this.#deps = deps;
  }

  #stateOf(deployment: Limited): State {
    let state = this.#pools.get(deployment.pool);
    if (state === undefined) {
      state = {
        pool: newPool(deployment.limits, this.#deps.clock.now()),
        slice: NO_SLICE,
        stored: undefined,
        news: [],
        nothingUntilMs: 0,
        writtenMs: 0,
        wanting: 0,
        refilling: undefined,
      };
      this.#pools.set(deployment.pool, state);
    }
    return state;
  }

  /** Why a call of so many tokens must wait; undefined: it may go now, from what this instance holds. */
  waitCause(deployment: Limited, tokens: number): WaitCause | undefined {
    const nowMs = this.#deps.clock.now();
    const breaker = this.#breakers.get(deployment.name);
    if (breaker !== undefined) {
      if (permits(breaker, nowMs) === "no") return "deployment_failing";
      if (rampShare(breaker, nowMs) < 1 && (this.#running.get(deployment.name) ?? 0) > 0)
        return "deployment_failing";
    }
    const { concurrency } = deployment.limits;
    if (concurrency !== undefined && (this.#running.get(deployment.name) ?? 0) >= concurrency)
      return "concurrency_full";
    const state = this.#stateOf(deployment);
    const { slice, pool } = state;
    if (!isLimited(pool)) return nowMs < pool.not_before_ms ? "rate_limited" : undefined;
    if (slice.lapses_ms > nowMs && slice.requests >= 1 && slice.tokens >= tokens) return undefined;
    if (nowMs < pool.not_before_ms) return "rate_limited";
    return nowMs < state.nothingUntilMs ? "quota_used_up" : "no_quota_here";
  }

  /** Tries to get room for a call on one of these, in this order. False: there is none, or others wait for it. */
  async prepare(deployments: readonly Limited[], tokens: number): Promise<boolean> {
    for (const deployment of deployments) {
      const state = this.#stateOf(deployment);
      if (!isLimited(state.pool)) continue;
      state.wanting++;
      try {
        // What one brings others may have used up before this one's turn.
        for (let tries = 0; tries < TRIES && this.#deps.clock.now() >= state.nothingUntilMs; tries++)
          if (await this.#refill(deployment, tokens)) return true;
      } finally {
        state.wanting--;
      }
    }
    return false;
  }

  /** A call goes out of this instance's own slice. */
  take(deployment: Limited, tokens: number): Taken {
    const nowMs = this.#deps.clock.now();
    const state = this.#stateOf(deployment);
    const breaker = this.#breakers.get(deployment.name);
    if (breaker !== undefined && permits(breaker, nowMs) === "probe")
      this.#breakers.set(deployment.name, probing(breaker, nowMs));
    const { slice } = state;
    state.slice = {
      ...slice,
      requests: slice.requests - 1,
      tokens: slice.tokens - tokens,
      used: slice.used + 1,
    };
    if (
      isLimited(state.pool) &&
      state.slice.requests < slice.size * REFILL_SHARE &&
      state.refilling === undefined
    )
      void this.#refill(deployment, tokens);
    const taken = takenOf(state.pool, tokens, nowMs);
    return { ...taken, burst_requests: slice.size, burst_tokens: Math.max(tokens, slice.tokens) };
  }

  /** The call taken for was not made. */
  giveBack(deployment: Limited, tokens: number): void {
    const state = this.#stateOf(deployment);
    state.slice = { ...state.slice, requests: state.slice.requests + 1, tokens: state.slice.tokens + tokens };
  }

  started(deployment: Limited): void {
    this.#running.set(deployment.name, (this.#running.get(deployment.name) ?? 0) + 1);
  }

  /**
   * Resolves once bad news is in the ledger.
   * @param granted whether the dispatcher took quota for it: then the pool is its business
   */
  async heard(deployment: Limited, news: CallNews, granted: boolean): Promise<void> {
    const nowMs = this.#deps.clock.now();
    this.#running.set(deployment.name, Math.max(0, (this.#running.get(deployment.name) ?? 0) - 1));
    if (news.outcome !== "aborted") {
      const before = this.#breakers.get(deployment.name) ?? CLOSED;
      const health = news.outcome === "failed" ? "failed" : "ok";
      const after = afterOutcome(before, health, news.latency_ms, news.job_id, nowMs);
      this.#breakers.set(deployment.name, after);
      if (after.state !== before.state)
        this.#deps.log.warn("breaker", { deployment: deployment.name, state: after.state });
    }
    const state = this.#stateOf(deployment);
    if (granted && news.outcome !== "refused") return;
    if (!isLimited(state.pool) && news.outcome !== "refused") return;
    if (!granted) state.news.push(news);
    if (news.outcome === "refused") {
      state.slice = NO_SLICE;
      state.pool = learn(poolAt(state.pool, nowMs), quotaNews(news, nowMs), nowMs);
      state.nothingUntilMs = Math.max(state.pool.not_before_ms, nowMs + ASK_AGAIN_MS);
    }
    const due = news.outcome !== "ok" || state.news.length >= NEWS_KEPT;
    if (state.news.length > NEWS_KEPT) state.news.splice(0, state.news.length - NEWS_KEPT);
    if (granted || !due) return;
    const told =
      news.outcome !== "refused" && nowMs - state.writtenMs < NEWS_EVERY_MS
        ? undefined
        : this.#refill(deployment, 0);
    if (news.outcome === "refused") await told;
  }

  /** One at a time for a pool: whoever wants more meanwhile shares what it brings. */
  #refill(deployment: Limited, tokens: number): Promise<boolean> {
    const state = this.#stateOf(deployment);
    if (state.refilling !== undefined) {
      return state.refilling.then(() => this.waitCause(deployment, tokens) === undefined);
    }
    state.refilling = this.#fetch(deployment, state, tokens)
      .catch((thrown: unknown) => {
        // Without the ledger nothing can be taken: the jobs wait, as for quota.
        this.#deps.log.warn("quota_ledger_away", { pool: deployment.pool, reason: reasonOf(thrown) });
        state.stored = undefined;
        state.nothingUntilMs = this.#deps.clock.now() + ASK_AGAIN_MS;
        return false;
      })
      .finally(() => {
        state.refilling = undefined;
      });
    return state.refilling;
  }

  async #fetch(deployment: Limited, state: State, tokens: number): Promise<boolean> {
    const { ledger, clock } = this.#deps;
    for (let tries = 0; tries < TRIES; tries++) {
      const stored = state.stored ?? (await ledger.read(deployment.pool));
      const nowMs = clock.now();
      const plan = this.#plan(deployment, state, stored?.value, tokens, nowMs);
      if (plan === undefined) return false;
      const written = await ledger.write(deployment.pool, plan.record, stored?.etag);
      if (written.kind === "written") {
        state.pool = plan.record.pool;
        state.writtenMs = nowMs;
        if (plan.slice === undefined) return false;
        state.stored = { value: plan.record, etag: written.etag };
        state.slice = together(state.slice, plan.slice);
        return true;
      }
      state.stored = undefined;
      state.slice = together(state.slice, plan.back);
      state.news = [...plan.news, ...state.news];
    }
    state.nothingUntilMs = clock.now() + ASK_AGAIN_MS;
    return false;
  }

  /** What to write to the ledger; undefined: nothing, for there is nothing to be had and nothing to tell. */
  #plan(
    deployment: Limited,
    state: State,
    record: PoolRecord | undefined,
    tokens: number,
    nowMs: number,
  ): { record: PoolRecord; slice: Slice | undefined; back: Slice; news: CallNews[] } | undefined {
    const { limits, name } = deployment;
    const pool = record === undefined ? newPool(limits, nowMs) : withLimits(record.pool, limits, nowMs);
    // What is left of a lapsed slice goes back with this write.
    const back = state.slice.lapses_ms <= nowMs ? state.slice : NO_SLICE;
    const known = state.news.reduce(
      (sum, each) => learn(sum, quotaNews(each, nowMs), nowMs),
      poolAt(pool, nowMs),
    );
    const whole = giveBackTo(known, back.requests, back.tokens);
    const backlog = (record?.backlog_until_ms ?? 0) > nowMs;
    const hasRoom = !backlog && poolHasRoom(whole, tokens, nowMs);
    if (!hasRoom) {
      const roomAtMs = backlog ? Infinity : Math.max(nowMs + 1, poolRoomAtMs(whole, tokens, nowMs));
      state.nothingUntilMs = Math.min(nowMs + ASK_AGAIN_MS, roomAtMs);
      state.stored = undefined;
      if (state.news.length === 0 && back.requests === 0) return undefined;
    }
    const slice = hasRoom ? sliceSize(whole, tokens, state.slice, nowMs, state.wanting) : undefined;
    const { news } = state;
    state.news = [];
    if (back !== NO_SLICE) state.slice = NO_SLICE;
    const own = this.#breakers.get(name);
    const breakers = own === undefined ? (record?.breakers ?? {}) : { ...record?.breakers, [name]: own };
    const next = slice === undefined ? whole : takeFrom(whole, slice.requests, slice.tokens);
    return {
      record: { pool: next, breakers, backlog_until_ms: record?.backlog_until_ms ?? 0 },
      ...{ slice, back, news },
    };
  }
}

function together(one: Slice, other: Slice): Slice {
  if (one === NO_SLICE) return other;
  if (other === NO_SLICE) return one;
  return { ...other, requests: one.requests + other.requests, tokens: one.tokens + other.tokens };
}

function quotaNews(news: CallNews, nowMs: number) {
  return {
    taken: news.taken,
    refused: news.outcome === "refused",
    headers: news.headers,
    retry_after_ms: news.retry_after_ms,
    arrived_ms: news.sent_ms ?? nowMs,
    exact: news.sent_ms !== null,
  };
}
