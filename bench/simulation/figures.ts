import type { SimDeployment, SimJob, Watch } from "./cloud.ts";
import { MEAN_TOKENS, type Quota, type World, type WorldJob } from "./world.ts";

/**
 * Fairness is judged over windows of so many seconds, or more until a fair share is so many jobs, among tenants that
 * have so many jobs due throughout.
 */
const WINDOW_SECONDS = 30;
const LEAST_DUE = 50;
const LEAST_SHARE_JOBS = 50;

export const PRIORITIES = ["high", "standard", "low"] as const;
/** By what a tenant offers: more than its fair share, or not. */
export const CLASSES = ["within its share", "over its share"] as const;

/** One bin of the plots. */
export interface Bin {
  /** By lab: tokens used and offered while a backlog existed. */
  readonly used: number[];
  readonly offered: number[];
  calls: number;
  refused: number;
  readonly waits: [number[], number[]];
}

interface Period {
  samples: number;
  used: number;
  offered: number;
  /** All samples saw a backlog, and nothing changed meanwhile. */
  counts: boolean;
}

/** What a run shows, gathered while it runs: told of each call, and asked to look each second of virtual time. */
export class Figures {
  readonly bins: Bin[] = [];
  readonly jain: number[] = [];
  readonly waits: Record<string, number[]> = {};
  used = 0;
  offered = 0;
  readonly #world: World;
  readonly #binSeconds: number;
  readonly #startMs: number;
  readonly #periods = new Map<string, Period>();
  readonly #usedNow = new Map<string, number>();
  readonly #wasWaiting = new Set<string>();
  readonly #tenantClass: readonly number[];
  /** By route and tenant: jobs due, the least of them in this window, and tokens let in. */
  readonly #due: Int32Array;
  readonly #leastDue: Int32Array;
  readonly #served: Float64Array;
  #second = 0;

  constructor(world: World, startMs: number, binSeconds: number) {
    this.#world = world;
    this.#startMs = startMs;
    this.#binSeconds = binSeconds;
    const pairs = world.routes.length * world.tenants.length;
    this.#due = new Int32Array(pairs);
    this.#leastDue = new Int32Array(pairs);
    this.#served = new Float64Array(pairs);
    const weights = world.tenants.reduce((sum, { weight }) => sum + weight, 0);
    this.#tenantClass = world.tenants.map(({ weight, share }) => (share > weight / weights ? 1 : 0));
  }

  get binSeconds(): number {
    return this.#binSeconds;
  }

  get tenantsOver(): number {
    return this.#tenantClass.reduce((sum, each) => sum + each, 0);
  }

  watch(): Watch {
    return {
      admitted: (job, to, counted) => this.#admitted(job as WorldJob, to, counted),
      refused: () => {
        this.#bin().refused++;
        this.#bin().calls++;
      },
      waitsAgain: (job) => this.#count(job, 1),
      released: (job) => this.#count(job, -1),
      completed: (job, startedMs) => this.#waited(job as WorldJob, startedMs),
    };
  }

  submitted(job: WorldJob): void {
    this.#count(job, 1);
  }

  /** Every second of virtual time. @param isWaitedFor whether a job waits that this deployment can serve */
  look(isWaitedFor: (deployment: string) => boolean): void {
    for (const quota of this.#world.quotas) this.#lookAt(quota, isWaitedFor);
    this.#second++;
    for (let n = 0; n < this.#due.length; n++) {
      const due = this.#due[n] ?? 0;
      if (due < (this.#leastDue[n] ?? 0)) this.#leastDue[n] = due;
    }
    if (this.#second % WINDOW_SECONDS === 0) this.#endWindows();
  }

  #lookAt(quota: Quota, isWaitedFor: (deployment: string) => boolean): void {
    const used = this.#usedNow.get(quota.name) ?? 0;
    this.#usedNow.set(quota.name, 0);
    const isWaiting = quota.members.some(({ name, dead }) => !dead && isWaitedFor(name));
    const waited = this.#wasWaiting.has(quota.name);
    if (isWaiting) this.#wasWaiting.add(quota.name);
    else this.#wasWaiting.delete(quota.name);
    const before = this.#periods.get(quota.name);
    const period = before ?? { samples: 0, used: 0, offered: 0, counts: true };
    period.samples++;
    period.used += used;
    period.offered += quota.perSecond;
    period.counts &&= isWaiting && waited;
    // All of a window is used at its beginning: only whole ones can be judged.
    const seconds = quota.limits.shape === "window" ? (quota.limits.tokensWindowSeconds ?? 60) : 1;
    if (period.samples < seconds) {
      this.#periods.set(quota.name, period);
      return;
    }
    this.#periods.delete(quota.name);
    if (!period.counts) return;
    this.used += period.used;
    this.offered += period.offered;
    const bin = this.#bin();
    bin.used[quota.lab] = (bin.used[quota.lab] ?? 0) + period.used;
    bin.offered[quota.lab] = (bin.offered[quota.lab] ?? 0) + period.offered;
  }

  #bin(): Bin {
    const index = Math.floor(this.#second / this.#binSeconds);
    for (let n = this.bins.length; n <= index; n++)
      this.bins.push({ used: [], offered: [], calls: 0, refused: 0, waits: [[], []] });
    const bin = this.bins[index];
    if (bin === undefined) throw new Error("there is no bin");
    return bin;
  }

  #admitted(job: WorldJob, to: SimDeployment, counted: number): void {
    this.#bin().calls++;
    this.#usedNow.set(to.pool, (this.#usedNow.get(to.pool) ?? 0) + counted);
    const pair = this.#pair(job);
    this.#served[pair] = (this.#served[pair] ?? 0) + counted;
  }

  #pair({ route, tenant }: WorldJob): number {
    return route * this.#world.tenants.length + tenant;
  }

  #count(job: SimJob, change: number): void {
    const pair = this.#pair(job as WorldJob);
    this.#due[pair] = (this.#due[pair] ?? 0) + change;
  }

  /**
   * Jain's index on what each had for one unit of weight, on each route by itself: they have nothing in common. Where
   * a fair share is a few jobs only, whole jobs say little: the window goes on until it is enough of them.
   */
  #endWindows(): void {
    const { routes, tenants } = this.#world;
    for (let route = 0; route < routes.length; route++) {
      const from = route * tenants.length;
      const judged = tenants.filter(({ number }) => (this.#leastDue[from + number] ?? 0) >= LEAST_DUE);
      const served = judged.map(({ number }) => this.#served[from + number] ?? 0);
      const weights = judged.reduce((sum, { weight }) => sum + weight, 0);
      const share = served.reduce((sum, each) => sum + each, 0) / weights;
      if (judged.length >= 2 && share < LEAST_SHARE_JOBS * MEAN_TOKENS) continue;
      if (judged.length >= 2)
        this.jain.push(jainOf(served.map((each, n) => each / (judged[n]?.weight ?? 1))));
      for (let pair = from; pair < from + tenants.length; pair++) {
        this.#leastDue[pair] = this.#due[pair] ?? 0;
        this.#served[pair] = 0;
      }
    }
  }

  #waited(job: WorldJob, startedMs: number): void {
    const seconds = (startedMs - job.offered_ms) / 1000;
    const inClass = this.#tenantClass[job.tenant] === 1 ? 1 : 0;
    const bin = this.bins[Math.floor((startedMs - this.#startMs) / 1000 / this.#binSeconds)] ?? this.#bin();
    bin.waits[inClass].push(seconds);
    for (const key of ["all", CLASSES[inClass], `${CLASSES[inClass]}, ${job.priority}`]) {
      const waits = this.waits[key];
      if (waits === undefined) this.waits[key] = [seconds];
      else waits.push(seconds);
    }
  }
}

/** 1: all equal; 1/n: one has all. */
export function jainOf(shares: readonly number[]): number {
  const sum = shares.reduce((total, each) => total + each, 0);
  const squares = shares.reduce((total, each) => total + each * each, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
