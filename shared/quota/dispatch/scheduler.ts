import type { WaitCause } from "../../model/wait-cause.ts";
import { mayTake, relativeWeight, SEVEN_EIGHTHS } from "../../part.ts";
import { type Breaker, CLOSED, isShutForAll, lastFailed, permitsAtMs, rampShare } from "../belief/breaker.ts";
import { Health } from "../belief/health.ts";
import {
  costOf,
  giveBackTo,
  learn,
  type Pool,
  poolAt,
  poolHasRoom,
  poolRoomAtMs,
  type Taken,
  takeFrom,
  takenOf,
} from "../belief/pool.ts";
import { GRANT_MS } from "../grant.ts";
import { concurrencyOf, type Limited } from "../limited.ts";
import type { CallNews } from "../ports.ts";
import { FairQueue, type Waiting } from "../turns/fair-queue.ts";
import { isFull, type State } from "./deployment-state.ts";

/** A job let go to a deployment. */
export interface Release<J extends Waiting = Waiting> {
  readonly job: J;
  readonly deployment: string;
  readonly taken: Taken;
  /** Whoever has not begun it by then must not. */
  readonly lapses_ms: number;
}

export interface Decision<J extends Waiting> {
  readonly releases: readonly Release<J>[];
  /** Jobs that no call could end in time. */
  readonly late: readonly J[];
  /** When to decide again, should nothing happen before; Infinity: when something does. */
  readonly nextAtMs: number;
}

/** As GRANT_MS, where a call that may come counts as one. */
const COUNTED_GRANT_MS = 10_000;
/** A call whose grant has lapsed by the slowest clock runs, and the store knows of it, or it never will. */
const GRANT_SURELY_MS = COUNTED_GRANT_MS + 5_000;
/** No job's id begins like this, and no tenant's is like this. */
const ELSEWHERE = "?";
/** Between releases of a tenant's jobs to a deployment where instances had no slot for one; doubled each time. */
const FIRST_GAP_MS = 250;
const MOST_GAP_MS = 4_000;
/** Halved with each call that was begun after all; less than this is no gap. */
const LEAST_GAP_MS = 25;
/** For so long after a call's end the store may still say that it runs. */
const ENDED_MS = 5_000;
/** Calls a second at full ramp where no limit says how many. */
const RAMP_PER_SECOND = 50;
const LAG_GAIN = 0.05;
/** A reckoned arrival is rather too late than too early. */
const RECKONED_LAGS = 1.5;
const UNLIMITED: Pool = { requests: null, tokens: null, not_before_ms: 0 };
/** How often deadlines are looked at. */
const LATE_EVERY_MS = 500;

/**
 * Decides which waiting job goes where and when: pure but for its own memory, with the time handed in. The
 * dispatcher feeds it what waits and what answers say; the simulation runs the same code under its own clock.
 */
export class Scheduler<J extends Waiting = Waiting> {
  readonly queue: FairQueue<J>;
  readonly pools = new Map<string, Pool>();
  readonly #health = new Health();
  readonly breakers: Map<string, Breaker> = this.#health.breakers;
  /** Pools that were taken from, or that an answer told of. */
  readonly learnt = new Set<string>();
  readonly #states = new Map<string, State>();
  readonly #weightOf: (tenantId: string) => number;
  #lookedForLateMs = 0;
  /** From a release until the call is sent, smoothed. */
  #lagMs = 30;

  constructor(weightOf: (tenantId: string) => number) {
    this.#weightOf = weightOf;
    this.queue = new FairQueue(weightOf);
  }

  /** The deployments there are now; what is known of those that stay is kept. */
  serve(deployments: readonly Limited[]): void {
    const names = new Set(deployments.map(({ name }) => name));
    for (const name of this.#states.keys()) if (!names.has(name)) this.#states.delete(name);
    for (const served of deployments) {
      const known = this.#states.get(served.name);
      if (known !== undefined) known.served = served;
      else
        this.#states.set(served.name, {
          ...{ served, running: new Map(), elsewhere: 0, ended: new Map(), slots: undefined, rampAtMs: 0 },
          gaps: new Map(),
        });
    }
  }

  /**
   * Counts what runs on a deployment that bears only so many calls at a time. Until then, and once nobody says so any
   * more, nothing is let go to it.
   * @param running tenants by job id, as the store told at `askedMs`
   * @param slots calls that instances may begin by themselves; undefined: it is not known
   * @param grantedMs when another may have let jobs go last; undefined: none of them can still be on its way
   */
  count(
    name: string,
    running: ReadonlyMap<string, string>,
    slots: number | undefined,
    askedMs: number,
    grantedMs?: number,
  ): void {
    const state = this.#states.get(name);
    if (state === undefined) return;
    const { ended, served } = state;
    const isFirst = state.slots === undefined;
    state.slots = slots;
    for (const [jobId, atMs] of ended) if (askedMs - atMs > ENDED_MS) ended.delete(jobId);
    for (const [jobId, { sinceMs, isStored }] of state.running)
      if (!running.has(jobId) && (isStored || askedMs - sinceMs > GRANT_SURELY_MS))
        state.running.delete(jobId);
    for (const [jobId, tenant] of running) {
      if (ended.has(jobId)) continue;
      const known = state.running.get(jobId);
      if (known === undefined) state.running.delete(`${ELSEWHERE}${state.elsewhere--}`);
      state.running.set(jobId, { tenant, sinceMs: known?.sinceMs ?? askedMs, isStored: true });
    }
    if (!isFirst || grantedMs === undefined) return;
    // As many as there was room for may be on their way to a worker.
    while (state.running.size < (served.limits.concurrency ?? 0))
      state.running.set(`${ELSEWHERE}${++state.elsewhere}`, {
        ...{ tenant: ELSEWHERE, sinceMs: grantedMs, isStored: false },
      });
  }

  /** Nobody watches any more what runs there. */
  uncount(name: string): void {
    const state = this.#states.get(name);
    if (state !== undefined) state.slots = undefined;
  }

  /**
   * News of a call, however late it comes. What an instance took by itself is counted in another's sum, so that its
   * headers say nothing here; that it was refused does.
   */
  heard(news: CallNews, nowMs: number): void {
    const state = this.#states.get(news.deployment);
    if (state === undefined) return;
    this.#heardOfSlots(state, news, nowMs);
    state.running.delete(news.job_id);
    if (concurrencyOf(state.served) !== undefined) state.ended.set(news.job_id, nowMs);
    this.learnt.add(state.served.pool);
    const pool = this.pools.get(state.served.pool);
    if (news.outcome === "unused") {
      if (pool !== undefined)
        this.pools.set(state.served.pool, giveBackTo(poolAt(pool, nowMs), 1, news.taken.tokens));
      return;
    }
    const { taken, headers, retry_after_ms, tenant_id, used_tokens } = news;
    const refused = news.outcome === "refused";
    if (news.outcome !== "aborted") this.#health.heard(news, nowMs);
    const now = poolAt(pool ?? UNLIMITED, nowMs);
    const othersWait = () => this.queue.isWaitedFor(news.deployment, tenant_id);
    if (refused && this.#health.refused(news, othersWait(), nowMs)) {
      if (pool !== undefined) this.pools.set(state.served.pool, giveBackTo(now, 1, taken.tokens));
      return;
    }
    if (tenant_id !== undefined && used_tokens !== undefined && news.straight !== true) {
      const more = costOf(now, used_tokens) - costOf(now, taken.tokens);
      this.queue.settle(tenant_id, news.deployment, more);
    }
    if (pool === undefined || (news.straight === true && !refused)) return;
    const arrived = { arrived_ms: this.#arrivedMs(news, nowMs), exact: news.sent_ms !== null };
    const quota = { ...{ taken, headers, retry_after_ms, refused }, ...arrived };
    this.pools.set(state.served.pool, learn(now, quota, nowMs));
  }

  /** Where an instance had no slot for a tenant's call, the next ones are tried one at a time, until they are begun again. */
  #heardOfSlots({ gaps, running }: State, { job_id, outcome, waits_on }: CallNews, nowMs: number): void {
    const tenant = running.get(job_id)?.tenant;
    if (tenant === undefined) return;
    const gapMs = gaps.get(tenant)?.gapMs ?? 0;
    if (waits_on === true) {
      const nextMs = Math.min(MOST_GAP_MS, Math.max(FIRST_GAP_MS, 2 * gapMs));
      gaps.set(tenant, { gapMs: nextMs, untilMs: nowMs + nextMs });
    } else if (outcome !== "unused" && gapMs > 0) {
      if (gapMs < 2 * LEAST_GAP_MS) gaps.delete(tenant);
      else gaps.set(tenant, { gapMs: gapMs / 2, untilMs: nowMs });
    }
  }

  /** Where the sending was not seen here, as long after the release as is usual, and then some. */
  #arrivedMs(news: CallNews, nowMs: number): number {
    const { sent_ms, taken } = news;
    if (sent_ms === null) return Math.min(nowMs, taken.at_ms + this.#lagMs * RECKONED_LAGS);
    this.#lagMs += LAG_GAIN * (Math.max(0, sent_ms - taken.at_ms) - this.#lagMs);
    return sent_ms;
  }

  /** @param most releases in this decision; what is left goes in the next, at once */
  decide(nowMs: number, most: number): Decision<J> {
    const releases: Release<J>[] = [];
    const late = this.#takeLate(nowMs);
    for (const [name, pool] of this.pools) this.pools.set(name, poolAt(pool, nowMs));
    let nextAtMs = Infinity;
    const done = (nextAtMs: number): Decision<J> => ({ releases: this.#asBursts(releases), late, nextAtMs });
    // Each takes what it has room for; where a job prefers another with room, that one's turn comes first.
    let open = [...this.#states.values()];
    while (open.length > 0) {
      const before = releases.length;
      const deferred: State[] = [];
      for (const state of open) {
        const outcome = this.#serveNext(state, open, releases, nowMs, most);
        if (outcome === "deferred") deferred.push(state);
        else nextAtMs = Math.min(nextAtMs, outcome);
        if (releases.length >= most) return done(nowMs);
      }
      if (releases.length > before) open = deferred;
      else if (deferred.length === 0) break;
      else {
        // They wait for each other: the first goes.
        const [first, ...rest] = deferred;
        if (first === undefined) break;
        const outcome = this.#serveNext(first, [first], releases, nowMs, most);
        if (outcome !== "deferred") nextAtMs = Math.min(nextAtMs, outcome);
        open = rest;
      }
    }
    return done(nextAtMs);
  }

  /** What goes to the same pool at the same time: its answers cannot tell in which order it came. */
  #asBursts(releases: readonly Release<J>[]): Release<J>[] {
    const bursts = Map.groupBy(releases, ({ deployment }) => this.#states.get(deployment)?.served.pool);
    return [...bursts.values()].flatMap((together) => {
      const burst_tokens = together.reduce((sum, { taken }) => sum + taken.tokens, 0);
      const burst = { burst_requests: together.length, burst_tokens };
      return together.map((release) => ({ ...release, taken: { ...release.taken, ...burst } }));
    });
  }

  /** Lets jobs go to a deployment until one has no room; answers when it will, or that another's turn is first. */
  #serveNext(
    state: State,
    open: readonly State[],
    releases: Release<J>[],
    nowMs: number,
    most: number,
  ): number | "deferred" {
    const { name } = state.served;
    const breaker = this.breakers.get(name);
    if (breaker !== undefined && isShutForAll(breaker, nowMs))
      return this.queue.isWaitedFor(name) ? permitsAtMs(breaker, nowMs) : Infinity;
    while (releases.length < most) {
      const job = this.#nextOn(state, nowMs);
      if (job === undefined) return this.#health.permitsAtMs(name, nowMs);
      const roomAtMs = this.#roomAtMs(state, job, nowMs);
      if (roomAtMs > nowMs) return roomAtMs;
      const prefers = job.deployments.find(
        (other) => other === name || this.#isOpen(other, open, job, nowMs),
      );
      if (prefers !== name) return "deferred";
      releases.push(this.#release(state, job, nowMs));
    }
    return nowMs;
  }

  /** Whose turn it is there. A deployment that may be ill is tried by another tenant than the one whose call failed last. */
  #nextOn(state: State, nowMs: number): J | undefined {
    const { name } = state.served;
    const breaker = this.breakers.get(name) ?? CLOSED;
    const mayHaveMore = this.#mayHaveMore(state, nowMs);
    const may = (tenantId: string) => mayHaveMore(tenantId) && this.#health.mayCall(name, tenantId, nowMs);
    return breaker.state === "closed"
      ? this.queue.next(name, nowMs, may)
      : this.queue.probe(name, nowMs, may, lastFailed(breaker));
  }

  /** What keeps all jobs from a deployment; undefined: nothing, or that its quota is used up. */
  hindranceOf(name: string, nowMs: number): WaitCause | undefined {
    const breaker = this.breakers.get(name) ?? CLOSED;
    if (isShutForAll(breaker, nowMs)) return breaker.fault?.illness ?? "deployment_failing";
    const state = this.#states.get(name);
    if (state === undefined) return undefined;
    if (isFull(state)) return "concurrency";
    return (this.pools.get(state.served.pool)?.not_before_ms ?? 0) > nowMs ? "rate_limited" : undefined;
  }

  #isOpen(name: string, open: readonly State[], job: J, nowMs: number): boolean {
    const state = this.#states.get(name);
    return state !== undefined && open.includes(state) && this.#roomAtMs(state, job, nowMs) <= nowMs;
  }

  #roomAtMs(state: State, job: J, nowMs: number): number {
    const { served } = state;
    if (served.off === true) return Infinity;
    const { name } = served;
    if (this.#health.permits(name, job.tenant_id, nowMs) === "no")
      return this.#health.permitsAtMs(name, nowMs, job.tenant_id);
    if (rampShare(this.breakers.get(name) ?? CLOSED, nowMs) < 1 && nowMs < state.rampAtMs)
      return state.rampAtMs;
    if (isFull(state)) return Infinity;
    const pool = this.pools.get(served.pool);
    if (pool === undefined || poolHasRoom(pool, job.tokens, nowMs)) return nowMs;
    return Math.max(poolRoomAtMs(pool, job.tokens, nowMs), nowMs + 1);
  }

  /** Whether a tenant may have one more call there: no more than its part of those that the deployment bears. */
  #mayHaveMore({ running, gaps, slots, served }: State, nowMs: number): (tenantId: string) => boolean {
    const concurrency = concurrencyOf(served);
    if (concurrency === undefined) return () => true;
    const calls = new Map<string, number>();
    for (const { tenant } of running.values()) calls.set(tenant, (calls.get(tenant) ?? 0) + 1);
    calls.delete(ELSEWHERE);
    const free = concurrency - running.size - (slots ?? concurrency);
    return (tenantId) => {
      if (nowMs < (gaps.get(tenantId)?.untilMs ?? 0)) return false;
      const weight = relativeWeight(tenantId, calls.keys(), this.#weightOf);
      return mayTake(1, calls.get(tenantId) ?? 0, free, SEVEN_EIGHTHS * weight);
    };
  }

  #release(state: State, job: J, nowMs: number): Release<J> {
    const { served, running } = state;
    this.#health.begins(served.name, job.tenant_id, nowMs);
    const breaker = this.breakers.get(served.name);
    const pool = this.pools.get(served.pool);
    const after = takeFrom(pool ?? UNLIMITED, 1, job.tokens);
    if (pool !== undefined) this.pools.set(served.pool, after);
    this.learnt.add(served.pool);
    if (breaker !== undefined && rampShare(breaker, nowMs) < 1) {
      const perSecond = (after.requests?.per_second ?? RAMP_PER_SECOND) * rampShare(breaker, nowMs);
      state.rampAtMs = nowMs + 1000 / perSecond;
    }
    if (concurrencyOf(served) !== undefined) {
      running.set(job.job_id, { tenant: job.tenant_id, sinceMs: nowMs, isStored: false });
      state.ended.delete(job.job_id);
      const gap = state.gaps.get(job.tenant_id);
      if (gap !== undefined) state.gaps.set(job.tenant_id, { ...gap, untilMs: nowMs + gap.gapMs });
    }
    this.queue.take(job, served.name, costOf(after, job.tokens));
    const taken = takenOf(after, job.tokens, nowMs);
    const isExact = served.limits.concurrency !== undefined;
    const lapses_ms = nowMs + (isExact ? COUNTED_GRANT_MS : GRANT_MS);
    return { job, deployment: served.name, taken, lapses_ms };
  }

  /**
   * Jobs whose deadline leaves no time for a call, as long as calls usually take, nor for what is before them: of their
   * own tenant's with nearer deadlines at least, even if it had all the quota.
   */
  #takeLate(nowMs: number): J[] {
    const late: J[] = [];
    if (nowMs < this.#lookedForLateMs + LATE_EVERY_MS) return late;
    this.#lookedForLateMs = nowMs;
    const before = new Map<string, number>();
    for (const job of this.queue.nearDeadline(nowMs)) {
      const line = `${job.tenant_id}/${job.priority}/${job.deployments.join("\n")}`;
      const tokens = before.get(line) ?? 0;
      const fastest = Math.min(...job.deployments.map((name) => this.breakers.get(name)?.latency_ms ?? 0));
      if (job.deadline_ms - nowMs > fastest / 2 + this.#leastMs(job.deployments, tokens)) {
        before.set(line, tokens + job.tokens);
        continue;
      }
      late.push(job);
    }
    for (const job of late) this.queue.remove(job.job_id);
    return late;
  }

  /** How long it takes at least until so many tokens have gone to these, all that can be there at once included. */
  #leastMs(deployments: readonly string[], tokens: number): number {
    let perSecond = 0;
    let left = tokens;
    for (const pool of new Set(deployments.map((name) => this.#states.get(name)?.served.pool ?? ""))) {
      const belief = this.pools.get(pool)?.tokens;
      if (belief == null) return 0;
      perSecond += belief.per_second;
      left -= Math.max(belief.capacity, belief.per_second);
    }
    return left <= 0 || perSecond <= 0 ? 0 : (left / perSecond) * 1000;
  }
}
