import type { RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import type { Waiting } from "../../shared/quota/fair-queue.ts";
import { newPool, type PoolLimits, type QuotaHeaders } from "../../shared/quota/pool.ts";
import { quotaHeadersOf } from "../../shared/quota/quota-headers.ts";
import { type CallNews, type Release, Scheduler } from "../../shared/quota/scheduler.ts";
import type { Events } from "./events.ts";

export type Random = () => number;

/** A deployment of the simulation: what the catalogue says of it, and how it is in truth. */
export interface Lab {
  readonly name: string;
  readonly pool: string;
  readonly limits: PoolLimits & { readonly concurrency?: number };
  /** In truth; may be replaced while the simulation runs. */
  limiter: RateLimiter;
  /** What the server counts for a job's estimate. */
  readonly counted: (tokens: number) => number;
  readonly callMs: (random: Random) => number;
  /** True: every call fails. */
  dead: boolean;
}

export interface SimJob extends Waiting {
  readonly offered_ms: number;
}

export interface Ended {
  readonly job: SimJob;
  readonly deployment: string;
  readonly started_ms: number;
  readonly ended_ms: number;
}

/** Delays of the machinery, ms: medians, each spread lognormally by `spread`. */
export interface Delays {
  /** From a submit's 202 until its job is parked. */
  readonly park: number;
  /** From the release until the call arrives: nudge, read, claim. */
  readonly nudge: number;
  /** Storing what became of a call. */
  readonly store: number;
  readonly poll: number;
  readonly report: number;
  readonly spread: number;
}

export const DELAYS: Delays = {
  park: 15,
  nudge: 25,
  store: 8,
  poll: 200,
  report: 1_000,
  spread: 0.5,
};

export interface Counts {
  cosmosWrites: number;
  nudges: number;
  refused: number;
  failed: number;
  late: number;
}

/** The least the dispatcher waits between two decisions. */
const LEAST_TICK_MS = 25;
const MOST_RELEASES = 500;

/** The service in virtual time: its scheduler is the real one, its delays and its labs are played. */
export class Cloud {
  readonly events: Events;
  readonly scheduler: Scheduler;
  readonly ended: Ended[] = [];
  readonly counts: Counts = { cosmosWrites: 0, nudges: 0, refused: 0, failed: 0, late: 0 };
  readonly #labs: ReadonlyMap<string, Lab>;
  readonly #random: Random;
  readonly #delays: Delays;
  readonly #instances: number;
  #decideAtMs = Infinity;
  #decidedAtMs = 0;
  #expected = 0;
  /** Of each instance, since it last reported. */
  readonly #reports = new Map<number, CallNews[]>();

  constructor(
    events: Events,
    labs: readonly Lab[],
    options: { instances: number; random: Random; weightOf?: (tenant: string) => number; delays?: Delays },
  ) {
    this.events = events;
    this.#labs = new Map(labs.map((lab) => [lab.name, lab]));
    this.#random = options.random;
    this.#delays = options.delays ?? DELAYS;
    this.#instances = options.instances;
    this.scheduler = new Scheduler(options.weightOf ?? (() => 1));
    this.scheduler.serve(
      labs.map(({ name, pool, limits }) => ({ name, pool, concurrency: limits.concurrency })),
    );
    for (const lab of labs) this.scheduler.pools.set(lab.pool, newPool(lab.limits, events.nowMs));
  }

  get isDone(): boolean {
    return this.ended.length + this.counts.late >= this.#expected;
  }

  #delay(medianMs: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
    return medianMs * Math.exp(this.#delays.spread * normal);
  }

  offer(job: SimJob): void {
    this.#expected++;
    this.events.at(job.offered_ms, () => {
      this.counts.cosmosWrites++;
      this.counts.nudges++;
      this.#park(job, this.#delay(this.#delays.park));
    });
  }

  /** Stored as waiting; the dispatcher's own instance tells it at once, the others' jobs are found by its next look. */
  #park(job: SimJob, afterMs: number): void {
    const heardMs = this.#instance() === 0 ? 0 : this.#random() * this.#delays.poll;
    this.counts.cosmosWrites++;
    this.events.after(afterMs + heardMs, () => {
      this.scheduler.queue.add(job);
      this.#decideSoon(this.events.nowMs);
    });
  }

  #instance(): number {
    return Math.floor(this.#random() * this.#instances);
  }

  #decideSoon(atMs: number): void {
    const next = Math.max(atMs, this.#decidedAtMs + LEAST_TICK_MS);
    if (next >= this.#decideAtMs) return;
    this.#decideAtMs = next;
    this.events.at(next, () => {
      if (this.#decideAtMs === next) this.#decide();
    });
  }

  #decide(): void {
    const { nowMs } = this.events;
    this.#decideAtMs = Infinity;
    this.#decidedAtMs = nowMs;
    const { releases, late, nextAtMs } = this.scheduler.decide(nowMs, MOST_RELEASES);
    this.counts.late += late.length;
    for (const release of releases) {
      this.counts.nudges++;
      this.events.after(this.#delay(this.#delays.nudge), () => this.#call(release));
    }
    if (nextAtMs < Infinity) this.#decideSoon(nextAtMs);
  }

  #call(release: Release): void {
    const lab = this.#labs.get(release.deployment);
    if (lab === undefined) return;
    this.counts.cosmosWrites++;
    const sentMs = this.events.nowMs;
    const counted = lab.counted(release.job.tokens);
    const admission = lab.dead ? undefined : lab.limiter.admit(sentMs, counted);
    const callMs = admission?.admitted === true ? lab.callMs(this.#random) : 5;
    this.events.after(callMs, () => this.#answered(release, sentMs, admission));
  }

  #answered(release: Release, sentMs: number, admission: ReturnType<RateLimiter["admit"]> | undefined): void {
    const { nowMs } = this.events;
    const said = quotaHeadersOf({ get: (name) => admission?.headers[name] ?? null });
    const headers: QuotaHeaders = said ?? { requests: null, tokens: null };
    const outcome = admission === undefined ? "failed" : admission.admitted ? "ok" : "refused";
    const news: CallNews = {
      deployment: release.deployment,
      job_id: release.job.job_id,
      taken: release.taken,
      outcome,
      latency_ms: nowMs - sentMs,
      sent_ms: null,
      headers,
      retry_after_ms: admission?.admitted === false ? admission.retryAfterMs : null,
    };
    this.#tell(news, sentMs);
    const job = release.job as SimJob;
    this.counts.cosmosWrites++;
    if (outcome === "ok") {
      this.ended.push({ job, deployment: release.deployment, started_ms: sentMs, ended_ms: nowMs });
      return;
    }
    this.counts[outcome]++;
    const others = job.deployments.filter((name) => name !== release.deployment);
    const next = outcome === "failed" && others.length > 0 ? { ...job, deployments: others } : job;
    this.#park(next, this.#delay(this.#delays.store));
  }

  #tell(told: CallNews, sentMs: number): void {
    const instance = this.#instance();
    const news = instance === 0 ? { ...told, sent_ms: sentMs } : told;
    if (instance === 0 || news.outcome !== "ok") {
      const delayMs =
        instance === 0 ? 0 : this.#delay(this.#delays.store) + this.#random() * this.#delays.poll;
      this.events.after(delayMs, () => this.#hear([news]));
      return;
    }
    const waiting = this.#reports.get(instance);
    if (waiting !== undefined) {
      waiting.push(news);
      return;
    }
    const report = [news];
    this.#reports.set(instance, report);
    this.counts.cosmosWrites++;
    this.events.after(this.#delays.report, () => {
      this.#reports.delete(instance);
      this.#hear(report);
    });
  }

  #hear(news: readonly CallNews[]): void {
    for (const each of news) this.scheduler.heard(each, this.events.nowMs);
    this.#decideSoon(this.events.nowMs);
  }
}
