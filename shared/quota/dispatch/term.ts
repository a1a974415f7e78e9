import type { Clock } from "../../clock.ts";
import { MAX_CLOCKS_APART_MS } from "../../limits.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { JobKey } from "../../store.ts";
import { concurrencyOf, type Limited } from "../limited.ts";
import type {
  CallNews,
  DispatcherLeases,
  JobInLine,
  JobsInLine,
  QuotaLedger,
  Releases,
  Report,
  Reports,
} from "../ports.ts";
import type { Leadership } from "./leadership.ts";
import { LineWatch } from "./line-watch.ts";
import { PoolKeeper } from "./pool-keeper.ts";
import { type Release, Scheduler } from "./scheduler.ts";

export interface DispatcherDeps {
  readonly leases: DispatcherLeases;
  readonly ledger: QuotaLedger;
  readonly line: JobsInLine;
  readonly reports: Reports;
  readonly releases: Releases;
  readonly deployments: () => readonly Limited[];
  readonly weightOf: (tenantId: string) => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: string;
}

/** The least between two decisions: releases of the same moment share one send. */
const LEAST_TICK_MS = 25;
/** How often the store is asked what else waits, and what other instances report. */
const POLL_MS = 200;
/** Releases in one decision. */
const MOST_RELEASES = 400;
/** Where only so many calls may run, the store is asked what runs: in this part of the time that calls take. */
const COUNT_EVERY_SHARE = 0.1;
const COUNT_EVERY_MOST_MS = 2_000;
/** It ends once nothing has waited for so long. */
const IDLE_MS = 2_500;
/** Where none can go for longer than this, and nothing is new for so long, somebody is told to go on then. */
const LONG_MS = 30_000;
const QUIET_MS = 5_000;
/** Whoever goes on is there so long before. */
const AHEAD_MS = 2_000;
/** The host would end a longer invocation, with all others of its process. */
const MOST_TERM_MS = 20 * 60_000;
/** News are looked for from so long ago, at first and later: clocks of instances differ. */
const FIRST_NEWS_MS = 60_000;
const NEWS_MS = 15_000;
const CLOCKS_DIFFER_MS = 2_000;

/** How a term ended. `lost`: another leads. `to_go_on`: somebody else is to, at once or at that time. */
export type Ended =
  | { readonly kind: "idle" | "lost" }
  | { readonly kind: "to_go_on"; readonly atMs?: number };

/** What the one that dispatches knows and does as long as the lease is its own. */
export class Term {
  readonly #deps: DispatcherDeps;
  readonly #leadership: Leadership;
  readonly #scheduler: Scheduler<JobInLine>;
  readonly #keeper: PoolKeeper;
  readonly #line: LineWatch;
  readonly #beganMs: number;
  readonly #beganAt: number;
  /** Reports from before were heard by the dispatcher before; undefined: this one has heard them by now. */
  #heardUntilMs: number | undefined;
  readonly #grantedMs: number | undefined;
  #isToldToEnd = false;
  #wake: () => void = () => undefined;
  #decideAtMs = Infinity;
  #decidedAtMs = 0;
  #nextAtMs = 0;
  #cancelTimer: () => void = () => undefined;
  /** When something last waited, and when something new came. */
  #busyAtMs: number;
  #newsAtMs: number;
  readonly #reportsHeard = new Map<string, number>();
  readonly #countedMs = new Map<string, number>();
  /** Jobs let go that may still be stored as waiting: since when they wait, and when they were let go. */
  readonly #released = new Map<string, { job: JobInLine; atMs: number; lapsesMs: number }>();
  readonly #sends = new Set<Promise<void>>();

  /**
   * @param sinceMs when somebody else last led
   * @param grantedMs when that one may have let jobs go that nobody has begun yet
   */
  constructor(deps: DispatcherDeps, leadership: Leadership, sinceMs: number, grantedMs: number | undefined) {
    this.#deps = deps;
    this.#leadership = leadership;
    this.#scheduler = new Scheduler(deps.weightOf);
    this.#keeper = new PoolKeeper(deps, this.#scheduler);
    this.#line = new LineWatch(deps, (job) => this.#add(job));
    this.#beganMs = deps.clock.now();
    this.#beganAt = deps.clock.monotonic();
    this.#busyAtMs = this.#beganMs;
    this.#newsAtMs = this.#beganMs;
    this.#heardUntilMs = sinceMs - CLOCKS_DIFFER_MS;
    this.#grantedMs = grantedMs;
  }

  get jobs(): number {
    return this.#scheduler.queue.size;
  }

  /** Looks, renews and writes, one after the other, until nothing waits, the lease is lost or it is told to end. */
  async run(): Promise<Ended> {
    const { clock, log } = this.#deps;
    let ended: Ended | undefined;
    while (ended === undefined) {
      try {
        if (!(await this.#leadership.renew())) ended = { kind: "lost" };
        else {
          await this.#look();
          ended = this.#isOver();
        }
      } catch (thrown) {
        log.warn("dispatcher_held_up", { reason: reasonOf(thrown) });
        if (this.#isToldToEnd) ended = { kind: "to_go_on" };
      }
      if (ended === undefined)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          clock.after(this.#isToldToEnd ? 0 : POLL_MS, resolve);
        });
    }
    this.#decideAtMs = Number.NEGATIVE_INFINITY;
    this.#cancelTimer();
    await Promise.all(this.#sends);
    try {
      if (ended.kind !== "lost") await this.#keeper.write(ended.kind === "to_go_on", true);
    } catch (thrown) {
      log.warn("dispatcher_held_up", { reason: reasonOf(thrown) });
    }
    return ended;
  }

  /** When the last of those was let go that nobody may have begun yet. */
  get grantedMs(): number | undefined {
    return [...this.#released.values()].at(-1)?.atMs;
  }

  end(): void {
    this.#isToldToEnd = true;
    this.#wake();
  }

  #isOver(): Ended | undefined {
    const { clock } = this.#deps;
    const nowMs = clock.now();
    const ranMs = clock.monotonic() - this.#beganAt;
    // Where this host's clock was set, every moment in memory is of another time: all is read anew.
    const isSet = Math.abs(nowMs - this.#beganMs - ranMs) > MAX_CLOCKS_APART_MS;
    if (this.#isToldToEnd || isSet || ranMs > MOST_TERM_MS) return { kind: "to_go_on" };
    if (this.#released.size > 0) return undefined;
    if (this.#scheduler.queue.size === 0)
      return nowMs - this.#busyAtMs > IDLE_MS ? { kind: "idle" } : undefined;
    const isLong = this.#nextAtMs < Infinity && this.#nextAtMs - nowMs > LONG_MS;
    return isLong && nowMs - this.#newsAtMs > QUIET_MS
      ? { kind: "to_go_on", atMs: this.#nextAtMs - AHEAD_MS }
      : undefined;
  }

  async #look(): Promise<void> {
    const { reports, clock } = this.#deps;
    const deployments = this.#deps.deployments();
    this.#scheduler.serve(deployments);
    await this.#keeper.read(deployments);
    const nowMs = clock.now();
    const newsMs = this.#heardUntilMs === undefined ? NEWS_MS : FIRST_NEWS_MS;
    for (const report of await reports.since(nowMs - newsMs)) this.#hear(report, nowMs);
    this.#heardUntilMs = undefined;
    for (const [jobId, { lapsesMs }] of this.#released) if (nowMs >= lapsesMs) this.#released.delete(jobId);
    await this.#line.look();
    const isWaiting = this.#scheduler.queue.size > 0;
    if (isWaiting || this.#released.size > 0) this.#busyAtMs = clock.now();
    await this.#keeper.write(isWaiting);
    await this.#count();
    this.decideSoon();
  }

  /** Counts what runs on deployments that jobs wait for and that bear only so many calls. */
  async #count(): Promise<void> {
    const { clock, line } = this.#deps;
    const nowMs = clock.now();
    await Promise.all(
      this.#deps.deployments().map(async (deployment) => {
        const { name, limits } = deployment;
        if (concurrencyOf(deployment) === undefined) return;
        if (!this.#scheduler.queue.isWaitedFor(name)) {
          this.#countedMs.delete(name);
          this.#scheduler.uncount(name);
        } else if (nowMs - (this.#countedMs.get(name) ?? 0) >= this.#countEveryMs(name)) {
          this.#countedMs.set(name, nowMs);
          const running = await line.runningOn(name);
          // Instances take no slots where the limits name no concurrency.
          const slots = limits.concurrency === undefined ? 0 : this.#keeper.slotsOf(deployment);
          this.#scheduler.count(name, running, slots, nowMs, this.#grantedMs);
        }
      }),
    );
  }

  #countEveryMs(name: string): number {
    const callMs = this.#scheduler.breakers.get(name)?.latency_ms ?? 0;
    return Math.min(callMs * COUNT_EVERY_SHARE, COUNT_EVERY_MOST_MS);
  }

  #hear({ instance, seq, news }: Report, nowMs: number): void {
    // What this instance reported before it led is news; since then it is told at once.
    if (instance === this.#deps.instance && this.#heardUntilMs === undefined) return;
    const heard = this.#reportsHeard.get(instance) ?? 0;
    if (seq === heard) return;
    this.#reportsHeard.set(instance, seq);
    // Numbers begin at a time: those of an instance that began anew are higher as well.
    for (const each of news.slice(-Math.min(seq - heard, news.length))) {
      const endedMs = (each.sent_ms ?? each.taken.at_ms) + each.latency_ms;
      if (this.#heardUntilMs === undefined || endedMs > this.#heardUntilMs)
        this.#learn({ ...each, sent_ms: null }, nowMs);
    }
  }

  /** News of a call made by this very instance. */
  heard(news: CallNews): void {
    this.#learn(news, this.#deps.clock.now());
    this.decideSoon();
  }

  #learn(news: CallNews, nowMs: number): void {
    const released = this.#released.get(news.job_id);
    this.#released.delete(news.job_id);
    // Given back once, and only what was let go here: a message may come twice.
    if (news.outcome === "unused" && released === undefined) return;
    const { deployment } = news;
    const stateOf = () => this.#scheduler.breakers.get(deployment)?.state ?? "closed";
    const before = stateOf();
    this.#scheduler.heard(news, nowMs);
    if (news.waits_on === true && released !== undefined) this.#line.heard(released.job);
    const state = stateOf();
    if (state !== before) this.#deps.log.warn("breaker", { deployment, state, by: "dispatcher" });
  }

  /** A job began to wait here: it need not be looked for. */
  joinedHere(job: JobInLine): void {
    this.#line.heard(job);
    this.decideSoon();
  }

  #add(job: JobInLine): boolean {
    const released = this.#released.get(job.job_id);
    // Let go already, and its worker has not got to it yet.
    if (released !== undefined && released.job.joined_ms === job.joined_ms) return false;
    this.#released.delete(job.job_id);
    const before = this.#scheduler.queue.get(job.job_id);
    // It was chosen for anew, and waits for others since.
    if (before !== undefined && before.joined_ms < job.joined_ms) {
      this.#scheduler.queue.remove(job.job_id);
      this.#line.left(before.place);
    } else if (before !== undefined) return false;
    if (job.deployments.length === 0) return false;
    this.#scheduler.queue.add(job);
    this.#newsAtMs = this.#deps.clock.now();
    return true;
  }

  decideSoon(atMs = this.#deps.clock.now()): void {
    const nextMs = Math.max(atMs, this.#decidedAtMs + LEAST_TICK_MS);
    if (nextMs >= this.#decideAtMs) return;
    this.#decideAtMs = nextMs;
    this.#cancelTimer();
    this.#cancelTimer = this.#deps.clock.after(nextMs - this.#deps.clock.now(), () => this.#decide());
  }

  #decide(): void {
    const nowMs = this.#deps.clock.now();
    this.#decideAtMs = Infinity;
    this.#decidedAtMs = nowMs;
    if (!this.#leadership.isSure) return;
    const { releases, late, nextAtMs } = this.#scheduler.decide(nowMs, MOST_RELEASES);
    this.#nextAtMs = nextAtMs;
    if (releases.length > 0) this.#release(releases, nowMs);
    if (late.length > 0) this.#send(this.#deps.releases.giveUp(late.map(keyOf)), late.length);
    for (const { place } of late) this.#line.left(place);
    if (nextAtMs < Infinity) this.decideSoon(nextAtMs);
  }

  #release(releases: readonly Release<JobInLine>[], nowMs: number): void {
    for (const { job, lapses_ms: lapsesMs } of releases) {
      this.#released.set(job.job_id, { job, atMs: nowMs, lapsesMs });
      this.#line.left(job.place);
    }
    const granted = releases.map(({ job, ...grant }) => ({ key: keyOf(job), grant }));
    this.#send(this.#deps.releases.release(granted), releases.length);
  }

  /** What is not sent is let go again when it is found to be waiting still. */
  #send(sent: Promise<void>, jobs: number): void {
    const told = sent
      .catch((thrown: unknown) => {
        this.#deps.log.warn("releases_not_sent", { jobs, reason: reasonOf(thrown) });
      })
      .finally(() => this.#sends.delete(told));
    this.#sends.add(told);
  }
}

function keyOf({ tenant_id, job_id }: JobKey): JobKey {
  return { tenant_id, job_id };
}
