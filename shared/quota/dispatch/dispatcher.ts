import type { Clock } from "../../clock.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { JobKey } from "../../store.ts";
import type { Limited } from "../instance/instance-quota.ts";
import type {
  DispatcherLeases,
  DispatcherLedger,
  ParkedJob,
  ParkedJobs,
  Releases,
  Reports,
} from "../ports.ts";
import type { Waiting } from "../turns/fair-queue.ts";
import { Leadership } from "./leadership.ts";
import { LineWatch } from "./line-watch.ts";
import { PoolKeeper } from "./pool-keeper.ts";
import { type CallNews, type Release, Scheduler } from "./scheduler.ts";

export interface DispatcherDeps {
  readonly leases: DispatcherLeases;
  readonly ledger: DispatcherLedger;
  readonly parked: ParkedJobs;
  readonly reports: Reports;
  readonly releases: Releases;
  readonly deployments: () => readonly Limited[];
  /** Whether operators have switched a deployment off, for all who would use it. */
  readonly isOff?: (deployment: string) => boolean;
  readonly weightOf: (tenantId: string) => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly instance: string;
}

/** The least between two decisions: releases of the same moment share one send. */
const LEAST_TICK_MS = 25;
/** How often the store is asked what else waits, and what other instances report. */
const POLL_MS = 200;
/** How often grants that have lapsed are looked for. */
const FORGET_EVERY_MS = 3_000;
/** Releases in one decision. */
const MOST_RELEASES = 400;
/** How often the sweeper looks whether anything waits that nobody looks after. */
const TEND_EVERY_MS = 5_000;
/** With nothing waiting for so long it ends. */
const IDLE_MS = 3_000;
/** A released job that is still waiting after this is released again; the grant has lapsed by then. */
export const GRANT_MS = 30_000;
/** Clocks of instances differ: news are looked for from so long before. */
const CLOCKS_DIFFER_MS = 60_000;

/**
 * The one of all instances that lets waiting jobs go, as long as any wait. It holds a lease; if it is lost, another
 * takes over and finds everything in the store: that costs time alone.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #leadership: Leadership;
  #scheduler: Scheduler;
  #keeper: PoolKeeper;
  #line: LineWatch;
  #leading = false;
  #tendedAt = Number.NEGATIVE_INFINITY;
  #decideAtMs = Infinity;
  #decidedAtMs = 0;
  #cancelTimer: () => void = () => undefined;
  #busyAtMs = 0;
  #forgotAtMs = 0;
  #hasLooked = false;
  readonly #reportsHeard = new Map<string, number>();
  /** Jobs let go that may still be stored as waiting: what they were parked as, and when they were let go. */
  readonly #released = new Map<string, { parkedMs: number; atMs: number; deployment: string }>();
  /** Of the jobs in the queue, as they are stored. */
  readonly #parkedAs = new Map<string, { parkedMs: number; place: string }>();

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    this.#leadership = new Leadership(deps);
    this.#scheduler = new Scheduler(deps.weightOf);
    this.#keeper = new PoolKeeper(deps, this.#scheduler);
    this.#line = new LineWatch(deps, (job) => this.#add(job));
  }

  get isLeading(): boolean {
    return this.#leading;
  }

  /** Jobs held in memory: the first of each lane, of however many wait. */
  get held(): number {
    return this.#scheduler.queue.size;
  }

  /** Makes sure that somebody dispatches, if anything waits; called by whoever parks a job. */
  async ensure(): Promise<void> {
    if (this.#leading) return;
    try {
      // Many may ask at the same time: the first that hears of it begins.
      if ((await this.#leadership.acquire()) && !this.#leading) this.#begin();
    } catch (thrown) {
      this.#deps.log.warn("dispatcher_not_reached", { reason: reasonOf(thrown) });
    }
  }

  /** The sweeper's net: a dispatcher that died left jobs waiting, or one was parked as the last one ended. */
  async tend(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    if (this.#leading || now - this.#tendedAt < TEND_EVERY_MS) return;
    this.#tendedAt = now;
    const [waiting] = await this.#deps.parked.parkedAfter(0, 1);
    if (waiting === undefined) return;
    // Until a dead holder's lease is known to be dead it is looked at with every sweep.
    this.#tendedAt = Number.NEGATIVE_INFINITY;
    await this.ensure();
  }

  /** A job was parked here: the dispatcher of this very instance need not look for it. */
  parkedHere(job: ParkedJob): void {
    if (!this.#leading) return;
    this.#line.heard(job);
    this.#decideSoon(this.#deps.clock.now());
  }

  /** News of a call made here, where this instance dispatches. @param granted whether the dispatcher let it go */
  heard(news: CallNews, granted: boolean): void {
    if (!this.#leading) return;
    this.#released.delete(news.job_id);
    this.#scheduler.heard(news, this.#deps.clock.now(), granted);
    this.#decideSoon(this.#deps.clock.now());
  }

  #begin(): void {
    const nowMs = this.#deps.clock.now();
    this.#leading = true;
    this.#busyAtMs = nowMs;
    this.#forgotAtMs = 0;
    this.#decideAtMs = Infinity;
    this.#hasLooked = false;
    this.#scheduler = new Scheduler(this.#deps.weightOf);
    this.#keeper = new PoolKeeper(this.#deps, this.#scheduler);
    this.#line = new LineWatch(this.#deps, (job) => this.#add(job));
    this.#released.clear();
    this.#parkedAs.clear();
    this.#deps.log.info("dispatching", { instance: this.#deps.instance });
    void this.#run();
  }

  /** Looks, renews and writes, one after the other, until nothing waits or the lease is lost. */
  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    while (this.#leading) {
      try {
        if (!(await this.#leadership.renew())) break;
        await this.#look();
        await this.#keeper.write(this.#scheduler.queue.size > 0);
        const idle = this.#scheduler.queue.size === 0 && this.#released.size === 0;
        if (!idle) this.#busyAtMs = clock.now();
        else if (clock.now() - this.#busyAtMs > IDLE_MS && (await this.#resign())) break;
      } catch (thrown) {
        log.warn("dispatcher_held_up", { reason: reasonOf(thrown) });
      }
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
    this.#leading = false;
    this.#cancelTimer();
    log.info("dispatched", { instance: this.#deps.instance });
  }

  /** Gives the lease up, then looks once more: whoever parked before has been seen, whoever parks later takes it. */
  async #resign(): Promise<boolean> {
    await this.#keeper.write(false);
    await this.#leadership.release();
    const [waiting] = await this.#deps.parked.parkedAfter(0, 1);
    if (waiting === undefined) return true;
    return !(await this.#leadership.acquire());
  }

  async #look(): Promise<void> {
    const { reports, deployments, clock } = this.#deps;
    this.#scheduler.serve(
      deployments().map(({ name, pool, limits }) => ({
        ...{ name, pool, concurrency: limits.concurrency },
        off: this.#deps.isOff?.(name) === true,
      })),
    );
    await this.#keeper.read(deployments());
    const nowMs = clock.now();
    for (const report of await reports.since(nowMs - CLOCKS_DIFFER_MS)) this.#hear(report);
    this.#hasLooked = true;
    if (nowMs - this.#forgotAtMs > FORGET_EVERY_MS) {
      this.#forgotAtMs = nowMs;
      this.#forgetLapsed(nowMs);
    }
    await this.#line.look();
    this.#decideSoon(clock.now());
  }

  #hear(report: { instance: string; seq: number; news: readonly CallNews[] }): void {
    if (report.instance === this.#deps.instance) return;
    const heard = this.#reportsHeard.get(report.instance) ?? 0;
    if (report.seq === heard) return;
    this.#reportsHeard.set(report.instance, report.seq);
    // What was reported before this one began was for the dispatcher before it.
    if (!this.#hasLooked) return;
    // Numbers begin at a time: those of an instance that began anew are higher as well.
    const unheard = report.news.slice(-Math.min(report.seq - heard, report.news.length));
    const nowMs = this.#deps.clock.now();
    for (const news of unheard) {
      this.#released.delete(news.job_id);
      this.#scheduler.heard({ ...news, sent_ms: null }, nowMs);
    }
  }

  #add(job: ParkedJob): boolean {
    const released = this.#released.get(job.job_id);
    // Let go already, and its worker has not got to it yet.
    if (released !== undefined && released.parkedMs === job.parked_ms) return false;
    this.#released.delete(job.job_id);
    if (this.#scheduler.queue.has(job.job_id) || job.deployments.length === 0) return false;
    this.#parkedAs.set(job.job_id, { parkedMs: job.parked_ms, place: job.place });
    this.#scheduler.queue.add(waitingOf(job));
    return true;
  }

  /** The job is in the queue no more: what it was parked as. */
  #leftQueue(job: Waiting): number {
    const parked = this.#parkedAs.get(job.job_id);
    if (parked === undefined) return 0;
    this.#parkedAs.delete(job.job_id);
    this.#line.left(parked.place);
    return parked.parkedMs;
  }

  #forgetLapsed(nowMs: number): void {
    for (const [jobId, { atMs, deployment }] of this.#released) {
      if (nowMs - atMs < GRANT_MS) continue;
      this.#released.delete(jobId);
      this.#scheduler.ended(deployment, jobId);
    }
  }

  #decideSoon(atMs: number): void {
    const nextMs = Math.max(atMs, this.#decidedAtMs + LEAST_TICK_MS);
    if (nextMs >= this.#decideAtMs || !this.#leading) return;
    this.#decideAtMs = nextMs;
    this.#cancelTimer();
    this.#cancelTimer = this.#deps.clock.after(nextMs - this.#deps.clock.now(), () => this.#decide());
  }

  #decide(): void {
    const nowMs = this.#deps.clock.now();
    this.#decideAtMs = Infinity;
    this.#decidedAtMs = nowMs;
    if (!this.#leading || !this.#keeper.isRead) return;
    const { releases, late, nextAtMs } = this.#scheduler.decide(nowMs, MOST_RELEASES);
    if (releases.length > 0) void this.#release(releases, nowMs);
    if (late.length > 0) void this.#giveUp(late);
    if (nextAtMs < Infinity) this.#decideSoon(nextAtMs);
  }

  async #release(releases: readonly Release[], nowMs: number): Promise<void> {
    const lapses_ms = nowMs + GRANT_MS;
    for (const { job, deployment } of releases) {
      this.#released.set(job.job_id, { parkedMs: this.#leftQueue(job), atMs: nowMs, deployment });
    }
    try {
      await this.#deps.releases.release(
        releases.map(({ job, deployment, taken }) => ({
          key: keyOf(job),
          grant: { deployment, taken, lapses_ms },
        })),
      );
    } catch (thrown) {
      // They are let go again when they are found to be waiting still.
      this.#deps.log.warn("releases_not_sent", { jobs: releases.length, reason: reasonOf(thrown) });
    }
  }

  async #giveUp(late: readonly Waiting[]): Promise<void> {
    for (const job of late) this.#leftQueue(job);
    try {
      await this.#deps.releases.giveUp(late.map(keyOf));
    } catch (thrown) {
      this.#deps.log.warn("releases_not_sent", { jobs: late.length, reason: reasonOf(thrown) });
    }
  }
}

function keyOf({ tenant_id, job_id }: Waiting): JobKey {
  return { tenant_id, job_id };
}

function waitingOf({ parked_ms: _, place: _place, ...job }: ParkedJob): Waiting {
  return job;
}
