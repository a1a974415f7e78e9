import type { Clock } from "../../clock.ts";
import { MAX_CLOCKS_APART_MS } from "../../limits.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { WaitCause } from "../../model/wait-cause.ts";
import type { Stored } from "../../store.ts";
import { type Breaker, CLOSED } from "../belief/breaker.ts";
import { Health, type Wait } from "../belief/health.ts";
import {
  giveBackTo,
  MOST_WAIT_MS,
  newPool,
  type Pool,
  poolAt,
  poolHasRoom,
  poolRoomAtMs,
  type Taken,
  takeFrom,
  takenOf,
  UNKNOWN_WAIT_MS,
  withLimits,
} from "../belief/pool.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { Grant } from "../grant.ts";
import type { Limited } from "../limited.ts";
import type { PoolRecord } from "../pool-record.ts";
import type { CallNews, JobInLine, JobsInLine, QuotaLedger } from "../ports.ts";
import { slotsOfOthers, withSlots } from "../slots.ts";
import { type HeardCall, NO_CALL, newsOf } from "./call-news.ts";
import { OwnSlots, SLOTS_LAPSE_MS, type TakenSlots } from "./own-slots.ts";
import type { Reporter } from "./reporter.ts";
import { NO_SLICE, REFILL_SHARE, type Slice, sliceSize, together } from "./slice.ts";

/** How often a slice is tried for against others who want one at the same time. */
const TRIES = 4;
/** What is known of a pool that had no room, or a line, is believed for so long. */
const ASK_AGAIN_MS = 400;
/** How long after a call was refused a slot others go as if the deployment had a limit; each refusal begins it anew. */
const CROWDED_MS = 10_000;
/** From a call's beginning until it is stored that it runs. */
const CLAIM_MS = 1_000;

function offsetOf(clock: Clock): number {
  return clock.now() - clock.monotonic();
}

/** What this instance has of a pool. */
interface State {
  /** As the slice was taken from it. */
  pool: Pool;
  slice: Slice;
  /** As last read or written; undefined: to be read. */
  stored: Stored<PoolRecord> | undefined;
  /** It has a limit, by the catalogue or because it refused. */
  isLimited: boolean;
  /** Until then jobs may wait for it for want of slots here: calls go as if it had a limit, so that none overtakes them. */
  crowdedUntilMs: number;
  /** A refusal asked to be spared until then. */
  notBeforeMs: number;
  /** Nothing is to be had before. */
  nothing: Wait;
  /** Where jobs wait in line, why those of a deployment do, as the dispatcher said. */
  causes: Readonly<Record<string, WaitCause>>;
  /** Callers that wait for a slice. */
  wanting: number;
  refilling: Promise<void> | undefined;
}

interface Plan {
  readonly record: PoolRecord;
  /** Undefined: there is nothing to be had. */
  readonly slice: Slice | undefined;
  readonly slots: TakenSlots | undefined;
  /** What is left of a lapsed slice goes back. */
  readonly back: Slice;
}

export interface InstanceQuotaDeps {
  /** Undefined: the catalogue no longer has it. */
  readonly deployment: (name: string) => Limited | undefined;
  readonly ledger: QuotaLedger;
  readonly jobs: Pick<JobsInLine, "runningOn" | "latelyServed">;
  readonly weightOf: (tenantId: string) => number;
  readonly dispatcher: Dispatcher;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: string;
}

/**
 * This instance's part of the quota that all share: how a worker asks for quota, and tells what became of it. A slice of
 * a pool is taken by one conditional write, and calls are admitted from it in memory. What calls meet is told to the
 * dispatcher, which alone learns from it. A deployment without limits costs nothing until it refuses.
 */
export class InstanceQuota {
  readonly #deps: InstanceQuotaDeps;
  readonly #pools = new Map<string, State>();
  readonly #slots = new Map<string, OwnSlots>();
  #health = new Health();
  /** This host's clock against one that nobody sets, ms. */
  #offsetMs: number;

  constructor(deps: InstanceQuotaDeps) {
    this.#deps = deps;
    this.#offsetMs = offsetOf(deps.clock);
  }

  /** Where this host's clock was set, every moment in memory is of another time: all is asked and learnt anew. */
  #forgetOtherTimes(): void {
    const offsetMs = offsetOf(this.#deps.clock);
    if (Math.abs(offsetMs - this.#offsetMs) > MAX_CLOCKS_APART_MS) {
      this.#pools.clear();
      this.#slots.clear();
      this.#health = new Health();
    }
    this.#offsetMs = offsetMs;
  }

  #limited(name: string): Limited {
    return this.#deps.deployment(name) ?? { name, pool: name, limits: {} };
  }

  #stateOf({ pool, limits }: Limited): State {
    let state = this.#pools.get(pool);
    if (state === undefined) {
      state = {
        ...{ pool: newPool({}, 0), slice: NO_SLICE, stored: undefined, isLimited: false, crowdedUntilMs: 0 },
        ...{ notBeforeMs: 0, nothing: { cause: "no_slice", untilMs: 0 }, wanting: 0, refilling: undefined },
        causes: {},
      };
      this.#pools.set(pool, state);
    }
    state.isLimited ||= limits.requests_per_minute !== undefined || limits.tokens_per_minute !== undefined;
    return state;
  }

  /** Calls of this deployment wait for want of slots here. */
  crowded(deployment: string): void {
    const state = this.#stateOf(this.#limited(deployment));
    state.crowdedUntilMs = this.#deps.clock.now() + CROWDED_MS;
  }

  /** Why, and until when, a call of so many tokens must wait; undefined: it may go now, from what this instance has. */
  waits(deployment: string, tokens: number, tenantId: string): Wait | undefined {
    this.#forgetOtherTimes();
    const nowMs = this.#deps.clock.now();
    const ill = this.#health.waits(deployment, tenantId, nowMs);
    if (ill !== undefined) return ill;
    const limited = this.#limited(deployment);
    const { isLimited, crowdedUntilMs, slice, notBeforeMs, nothing, causes } = this.#stateOf(limited);
    if (nowMs < notBeforeMs) return { cause: "rate_limited", untilMs: notBeforeMs };
    const known = nothing.cause === "line" ? { ...nothing, cause: causes[deployment] ?? "line" } : nothing;
    const none: Wait = nowMs < nothing.untilMs ? known : { cause: "no_slice", untilMs: nowMs + 1 };
    if (limited.limits.concurrency !== undefined) {
      const { concurrency } = limited.limits;
      const waits = this.#slotsOf(deployment).waits(tenantId, concurrency, this.#deps.weightOf, nowMs);
      if (waits === "none") return none;
      if (waits !== undefined) return { cause: "concurrency", ...waits };
    }
    const isEnough = slice.lapses_ms > nowMs && slice.requests >= 1 && slice.tokens >= tokens;
    return !(isLimited || nowMs < crowdedUntilMs) || isEnough ? undefined : none;
  }

  /** Tries to get room for a call on one of these, in this order. False: there is none, or others wait for it. */
  async prepare(deployments: readonly string[], tokens: number, tenantId: string): Promise<boolean> {
    for (const name of deployments) {
      const state = this.#stateOf(this.#limited(name));
      state.wanting++;
      try {
        // What one brings others may have used up before this one's turn.
        for (let tries = 0; tries < TRIES && this.#deps.clock.now() >= state.nothing.untilMs; tries++) {
          if (this.waits(name, tokens, tenantId)?.cause === "concurrency") break;
          await this.#refill(name, tokens);
          if (this.waits(name, tokens, tenantId) === undefined) return true;
        }
      } finally {
        state.wanting--;
      }
    }
    return false;
  }

  /** A call goes out of what this instance has, and counts from now on. */
  take(deployment: string, tokens: number, jobId: string, tenantId: string): Taken {
    const nowMs = this.#deps.clock.now();
    const state = this.#stateOf(this.#limited(deployment));
    this.#health.begins(deployment, tenantId, nowMs);
    this.#slots.get(deployment)?.begins(jobId, tenantId);
    const { requests, tokens: left, size, used } = state.slice;
    state.slice = { ...state.slice, requests: requests - 1, tokens: left - tokens, used: used + 1 };
    const isLow = requests - 1 < size * REFILL_SHARE || this.#slotsAreLow(deployment, nowMs);
    if (state.isLimited && isLow) void this.#refill(deployment, tokens);
    const burst = { burst_requests: size, burst_tokens: Math.max(tokens, left) };
    return { ...takenOf(state.pool, tokens, nowMs), ...burst };
  }

  #slotsAreLow(deployment: string, nowMs: number): boolean {
    const isCounted = this.#limited(deployment).limits.concurrency !== undefined;
    return isCounted && this.#slotsOf(deployment).isLow(nowMs);
  }

  #slotsOf(deployment: string): OwnSlots {
    const slots = this.#slots.get(deployment) ?? new OwnSlots();
    this.#slots.set(deployment, slots);
    return slots;
  }

  /** The call taken for was not made. */
  giveBack(deployment: string, { tokens }: Taken, jobId: string): void {
    const state = this.#stateOf(this.#limited(deployment));
    this.#slots.get(deployment)?.ends(jobId);
    const { requests, tokens: left } = state.slice;
    state.slice = { ...state.slice, requests: requests + 1, tokens: left + tokens };
  }

  /** Resolves once all who decide can know it, where it is bad news. */
  async heard(call: HeardCall): Promise<void> {
    const { dispatcher, reporter, clock } = this.#deps;
    const news = newsOf(call);
    const { deployment, job_id: jobId, outcome } = news;
    this.#slots.get(deployment)?.ends(jobId);
    if (call.outcome.kind === "completed") this.#health.served(deployment, jobId, clock.now());
    if (call.alone === true) {
      if (call.granted) return this.unused({ deployment, taken: call.taken, lapses_ms: 0 }, jobId, false);
      return this.giveBack(deployment, call.taken, jobId);
    }
    const state = this.#stateOf(this.#limited(deployment));
    if (outcome !== "aborted") this.#judge(news);
    const isOwn = outcome === "refused" && this.#health.refused(news, false, clock.now());
    if (outcome === "refused" && !isOwn) {
      const waitMs = Math.min(news.retry_after_ms ?? UNKNOWN_WAIT_MS, MOST_WAIT_MS);
      state.notBeforeMs = Math.max(state.notBeforeMs, clock.now() + waitMs);
      state.isLimited = true;
      state.slice = NO_SLICE;
    }
    if (dispatcher.isLeading) return dispatcher.heard(news);
    const isBad = outcome === "refused" || outcome === "failed";
    if (!call.granted && !isBad) return reporter.keep(news);
    await reporter.heard(news);
    // It may have begun to lead meanwhile, and have read the reports before this one was written.
    if (dispatcher.isLeading) dispatcher.heard(news);
    // Whoever dispatches learns from it, also where nothing waits: so do operators, from what it stores.
    else if (isBad) await dispatcher.ensure();
  }

  /** The dispatcher let the job go, and no call came of it. @param waitsOn in its line, for want of a slot here */
  async unused({ deployment, taken }: Grant, jobId: string, waitsOn: boolean): Promise<void> {
    const { dispatcher, reporter } = this.#deps;
    const news = { ...NO_CALL, deployment, job_id: jobId, taken, ...(waitsOn ? { waits_on: true } : {}) };
    if (dispatcher.isLeading) dispatcher.heard(news);
    else await reporter.heard(news);
  }

  /** The job is stored as one that waits in line: somebody must dispatch. */
  async waitsInLine(job: JobInLine): Promise<void> {
    this.#deps.dispatcher.joinedHere(job);
    await this.#deps.dispatcher.ensure();
  }

  /** Asks whom other instances' calls were served there since then, where this one's tell of nobody. */
  async hearOfOthers(deployment: string, jobId: string, sinceMs: number): Promise<void> {
    if (this.hasServedOthers(deployment, jobId, sinceMs)) return;
    const { jobs, clock, log } = this.#deps;
    const nowMs = clock.now();
    try {
      for (const each of await jobs.latelyServed())
        if (each.deployment === deployment && each.job_id !== jobId && nowMs - each.age_ms > sinceMs)
          this.#health.served(deployment, each.job_id, nowMs - each.age_ms);
    } catch (thrown) {
      // Then it is nobody's fault yet, and the job waits.
      log.warn("served_not_read", { deployment, job: jobId, reason: reasonOf(thrown) });
    }
  }

  /** Whether a call of another job ended well there since then, as far as this instance has heard. */
  hasServedOthers(deployment: string, jobId: string, sinceMs: number): boolean {
    return this.#health.hasServedOthers(deployment, jobId, sinceMs);
  }

  /** How this instance sees a deployment's health; undefined: it has not called it. */
  breakerOf(deployment: string): Breaker | undefined {
    return this.#health.breakers.get(deployment);
  }

  /** This instance's own view of a deployment's health: it need not wait for anybody's to stop calling it. */
  #judge(news: CallNews): void {
    const { deployment } = news;
    const stateOf = () => (this.#health.breakers.get(deployment) ?? CLOSED).state;
    const before = stateOf();
    this.#health.heard(news, this.#deps.clock.now());
    if (stateOf() !== before)
      this.#deps.log.warn("breaker", { deployment, state: stateOf(), by: "instance" });
  }

  /** One at a time for a pool: whoever wants more meanwhile shares what it brings. */
  #refill(deployment: string, tokens: number): Promise<void> {
    const limited = this.#limited(deployment);
    const state = this.#stateOf(limited);
    state.refilling ??= this.#fetch(limited, state, tokens)
      .catch((thrown: unknown) => {
        // Without the ledger nothing can be taken: the jobs wait, as for quota.
        this.#deps.log.warn("quota_ledger_away", { pool: limited.pool, reason: reasonOf(thrown) });
        this.#nothing(state, "no_slice");
      })
      .finally(() => {
        state.refilling = undefined;
      });
    return state.refilling;
  }

  #nothing(state: State, cause: WaitCause, untilMs = Infinity): void {
    state.nothing = { cause, untilMs: Math.min(this.#deps.clock.now() + ASK_AGAIN_MS, untilMs) };
    state.stored = undefined;
  }

  async #fetch(deployment: Limited, state: State, tokens: number): Promise<void> {
    const { ledger, jobs } = this.#deps;
    const { name, pool } = deployment;
    for (let tries = 0; tries < TRIES; tries++) {
      const stored = state.stored ?? (await ledger.read(pool));
      const running = this.#slotsAreLow(name, this.#deps.clock.now())
        ? await this.#slotsOf(name).asked(() => jobs.runningOn(name))
        : undefined;
      const plan = this.#plan(deployment, state, stored?.value, tokens, running);
      if (plan === undefined) return;
      const { record, slice, slots, back } = plan;
      const written = await ledger.write([{ pool, record, etag: stored?.etag }]);
      if (written.kind === "written") {
        if (slice === undefined) return;
        state.pool = record.pool;
        state.stored = { value: record, etag: written.etags[0] ?? "" };
        state.slice = together(state.slice, slice);
        if (slots !== undefined && running !== undefined) this.#slotsOf(name).take(slots, running);
        return;
      }
      state.stored = undefined;
      state.slice = together(state.slice, back);
    }
    this.#nothing(state, "no_slice");
  }

  /**
   * What to write to the ledger; undefined: there is nothing to be had and nothing to give back.
   * @param running calls that run already, tenants by job id; undefined: there are slots enough
   */
  #plan(
    { limits, name }: Limited,
    state: State,
    before: PoolRecord | undefined,
    tokens: number,
    running: ReadonlyMap<string, string> | undefined,
  ): Plan | undefined {
    const nowMs = this.#deps.clock.now();
    const pool = before === undefined ? newPool(limits, nowMs) : withLimits(before.pool, limits, nowMs);
    const back = state.slice.lapses_ms <= nowMs ? state.slice : NO_SLICE;
    const whole = giveBackTo(poolAt(pool, nowMs), back.requests, back.tokens);
    const { backlog_until_ms = 0, breakers = {}, causes = {}, slots: stored } = before ?? {};
    const others = slotsOfOthers(stored?.[name], nowMs, this.#deps.instance);
    const { concurrency = Infinity } = limits;
    const planned = running && this.#slotsOf(name).planned(running, concurrency, others);
    state.causes = causes;
    if (backlog_until_ms > nowMs) this.#nothing(state, "line");
    else if (planned !== undefined && planned.free < 1) this.#nothing(state, "concurrency");
    else if (!poolHasRoom(whole, tokens, nowMs))
      this.#nothing(state, "quota", Math.max(nowMs + 1, poolRoomAtMs(whole, tokens, nowMs)));
    else {
      const slice = sliceSize(whole, tokens, state.slice, nowMs, state.wanting);
      if (back !== NO_SLICE) state.slice = NO_SLICE;
      const record = {
        ...{ pool: takeFrom(whole, slice.requests, slice.tokens), breakers, backlog_until_ms },
        ...(stored === undefined ? {} : { slots: stored }),
      };
      if (planned === undefined) return { record, slice, slots: undefined, back };
      const lapses_ms = Math.min(slice.lapses_ms, nowMs + SLOTS_LAPSE_MS);
      const { calls } = planned;
      const taken = { calls, until_ms: lapses_ms + CLAIM_MS };
      const own = withSlots(stored?.[name], this.#deps.instance, taken, nowMs);
      const slots = { calls, lapses_ms, others };
      return { record: { ...record, slots: { ...stored, [name]: own } }, slice, slots, back };
    }
    if (back.requests === 0) return undefined;
    state.slice = NO_SLICE;
    const record = { ...before, pool: whole, breakers, backlog_until_ms };
    return { record, slice: undefined, slots: undefined, back };
  }
}
