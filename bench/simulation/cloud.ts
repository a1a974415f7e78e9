import type { Admission, RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import { quotaHeadersOf } from "../../shared/model/protocol/openai/quota-headers.ts";
import { expectNothing, newPool, type PoolLimits } from "../../shared/quota/belief/pool.ts";
import { BACKLOG_MS, isDue, type PoolTold, TOLD_NOTHING } from "../../shared/quota/dispatch/pool-keeper.ts";
import { type Release, Scheduler } from "../../shared/quota/dispatch/scheduler.ts";
import type { CallNews } from "../../shared/quota/ports.ts";
import type { Waiting } from "../../shared/quota/turns/fair-queue.ts";
import type { Events } from "./events.ts";
import * as machinery from "./machinery.ts";

export type Random = () => number;

/** A deployment of the simulation: what the catalogue says of it, and how it is in truth. */
export interface SimDeployment {
  readonly name: string;
  readonly provider: string;
  readonly pool: string;
  readonly limits: PoolLimits & { readonly concurrency?: number };
  /** In truth; the same one for all of a pool. May be replaced while the simulation runs. */
  limiter: RateLimiter;
  /** What the server counts for a job's estimate. */
  readonly counted: (tokens: number) => number;
  readonly callMs: (random: Random) => number;
  /** True: every call fails. */
  dead: boolean;
}

export interface SimJob extends Waiting {
  readonly offered_ms: number;
  /** Calls of it that failed. */
  readonly failures?: number;
  /** What every call of it meets, whatever the deployment could do: a refusal, or a failure. */
  readonly fate?: "refused" | "failed";
  /** What it uses in truth, and how long it takes; absent: as estimated, and as usual there. */
  readonly uses?: number;
  readonly takesMs?: number;
}

/** How long a job asks to be waited for whose fate is to be refused. */
const FATE_REFUSES_MS = 20_000;

/** Who looks on: for figures. */
export interface Watch {
  /** A call was let in, and counted so much. */
  readonly admitted?: (job: SimJob, to: SimDeployment, counted: number) => void;
  readonly refused?: (job: SimJob, to: SimDeployment) => void;
  /** It waits again, after a call that was refused or failed. */
  readonly waitsAgain?: (job: SimJob) => void;
  /** It was told to go. */
  readonly released?: (job: SimJob) => void;
  readonly completed?: (job: SimJob, startedMs: number) => void;
  readonly late?: (job: SimJob) => void;
}

/** What one instance has to report, and when it will. */
interface Unreported {
  news: CallNews[];
  dueMs: number;
}

/** The service in virtual time: its scheduler is the real one, its delays and its deployments are played. */
export class Cloud {
  readonly events: Events;
  readonly scheduler: Scheduler<SimJob>;
  readonly counts = machinery.noCounts();
  /** CPU ms of this thread in the scheduler: its queue, its decisions, what it learns. */
  schedulerCpuMs = 0;
  lastEndedMs = 0;
  readonly #deployments: ReadonlyMap<string, SimDeployment>;
  readonly #random: Random;
  readonly #instances: number;
  readonly #watch: Watch;
  #decideAtMs = Infinity;
  #decidedAtMs = 0;
  #offered = 0;
  #isLooking = false;
  #straysAtMs = 0;
  #renewedMs = 0;
  /** What the next look will find. */
  #joined: SimJob[] = [];
  #reported: CallNews[] = [];
  readonly #unreported = new Map<number, Unreported>();
  readonly #told = new Map<string, PoolTold>();
  /** By deployment, what runs there: as the store would tell, tenants by job id. */
  readonly #running = new Map<string, Map<string, string>>();
  /** Deployments by pool. */
  readonly #members: ReadonlyMap<string, readonly string[]>;

  constructor(
    events: Events,
    deployments: readonly SimDeployment[],
    options: { instances: number; random: Random; weightOf?: (tenant: string) => number; watch?: Watch },
  ) {
    this.events = events;
    this.#deployments = new Map(deployments.map((each) => [each.name, each]));
    this.#random = options.random;
    this.#instances = options.instances;
    this.#watch = options.watch ?? {};
    this.scheduler = new Scheduler(options.weightOf ?? (() => 1));
    this.scheduler.serve(deployments);
    const { nowMs } = events;
    for (const { pool, limits } of deployments)
      this.scheduler.pools.set(pool, expectNothing(newPool(limits, nowMs), nowMs));
    const byPool = Map.groupBy(deployments, ({ pool }) => pool);
    this.#members = new Map([...byPool].map(([pool, all]) => [pool, all.map(({ name }) => name)]));
  }

  /** Every job that was offered has ended. */
  get isDone(): boolean {
    const { done, failed, late } = this.counts;
    return done + failed + late >= this.#offered;
  }

  #delay(medianMs: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
    return medianMs * Math.exp(machinery.DELAYS.spread * normal);
  }

  #measured<T>(work: () => T): T {
    const before = process.threadCpuUsage();
    const result = work();
    const { user, system } = process.threadCpuUsage(before);
    this.schedulerCpuMs += (user + system) / 1000;
    return result;
  }

  #instance(): number {
    return Math.floor(this.#random() * this.#instances);
  }

  /** Submitted now: 202, and its nudge is under way. */
  submit(job: SimJob): void {
    this.#offered++;
    this.counts.jobWrites += 2; // created, in line
    this.counts.jobReads++;
    this.counts.nudges++;
    this.#joinIn(job, this.#delay(machinery.DELAYS.join));
  }

  /** The dispatcher's own instance tells it at once, the others' jobs are found by its next look. */
  #joinIn(job: SimJob, afterMs: number): void {
    const here = this.#instance() === 0;
    this.events.after(afterMs, () => {
      if (here) {
        this.#measured(() => this.scheduler.queue.add(job));
        this.#decideSoon(this.events.nowMs);
      } else this.#joined.push(job);
      this.#keepLooking();
    });
  }

  #keepLooking(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.events.after(machinery.LOOK_MS, () => {
      this.#isLooking = false;
      this.#look();
      if (!this.isDone) this.#keepLooking();
    });
  }

  #look(): void {
    const { nowMs } = this.events;
    const [joined, reported] = [this.#joined, this.#reported];
    this.#joined = [];
    this.#reported = [];
    this.counts.queries += 2;
    if (nowMs - this.#straysAtMs >= machinery.STRAYS_MS) {
      this.#straysAtMs = nowMs;
      this.counts.queries++;
    }
    if (nowMs - this.#renewedMs >= machinery.RENEW_MS) {
      this.#renewedMs = nowMs;
      this.counts.quotaWrites++;
    }
    this.#measured(() => {
      for (const job of joined) this.scheduler.queue.add(job);
      for (const news of reported) this.scheduler.heard(news, nowMs);
      for (const { name, limits } of this.#deployments.values())
        if (limits.concurrency !== undefined) this.scheduler.count(name, this.#runningOn(name), 0, nowMs);
    });
    this.#writePools(nowMs);
    this.#decideSoon(nowMs);
  }

  /** Those that are due, in one batch. */
  #writePools(nowMs: number): void {
    const { queue, pools } = this.scheduler;
    let items = 0;
    for (const [name, pool] of pools) {
      const isWaitedFor = (this.#members.get(name) ?? []).some((each) => queue.isWaitedFor(each));
      if (!isDue(this.#told.get(name) ?? TOLD_NOTHING, pool, isWaitedFor, nowMs)) continue;
      const backlog_until_ms = isWaitedFor ? nowMs + BACKLOG_MS : 0;
      this.#told.set(name, { at_ms: nowMs, pool, backlog_until_ms });
      items++;
    }
    this.counts.poolItems += items;
    this.counts.quotaWrites += Math.ceil(items / machinery.MOST_AT_ONCE);
  }

  #decideSoon(atMs: number): void {
    const next = Math.max(atMs, this.#decidedAtMs + machinery.LEAST_TICK_MS);
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
    const { releases, late, nextAtMs } = this.#measured(() =>
      this.scheduler.decide(nowMs, machinery.MOST_RELEASES),
    );
    for (const job of late) this.#giveUp(job);
    for (const release of releases) {
      this.counts.nudges++;
      this.#watch.released?.(release.job);
      this.events.after(this.#delay(machinery.DELAYS.nudge), () => this.#call(release));
    }
    if (nextAtMs < Infinity) this.#decideSoon(nextAtMs);
  }

  #giveUp(job: SimJob): void {
    this.counts.late++;
    this.counts.nudges++;
    this.counts.jobReads++;
    this.counts.jobWrites++;
    this.#watch.released?.(job);
    this.#watch.late?.(job);
  }

  #call(release: Release<SimJob>): void {
    const to = this.#deployments.get(release.deployment);
    if (to === undefined) return;
    const { job } = release;
    const sentMs = this.events.nowMs;
    const counted = to.counted(job.uses ?? job.tokens);
    const admission = this.#admitted(job, to, sentMs, counted);
    this.#runningOn(to.name).set(job.job_id, job.tenant_id);
    this.counts.jobReads++;
    this.counts.jobWrites++; // the claim
    this.counts.calls++;
    if (admission?.admitted === true) this.#watch.admitted?.(job, to, counted);
    if (admission?.admitted === false) this.#watch.refused?.(job, to);
    const callMs =
      admission === undefined
        ? machinery.DOWN_MS
        : admission.admitted
          ? (job.takesMs ?? to.callMs(this.#random))
          : machinery.REFUSED_MS;
    this.events.after(callMs, () => this.#answered(release, sentMs, admission, counted));
  }

  #admitted(job: SimJob, to: SimDeployment, nowMs: number, counted: number): Admission | undefined {
    if (to.dead || job.fate === "failed") return undefined;
    if (job.fate === "refused")
      return { ...{ admitted: false, scope: "tokens" }, headers: {}, retryAfterMs: FATE_REFUSES_MS };
    return to.limiter.admit(nowMs, counted);
  }

  #runningOn(name: string): Map<string, string> {
    const running = this.#running.get(name) ?? new Map<string, string>();
    this.#running.set(name, running);
    return running;
  }

  #answered(
    release: Release<SimJob>,
    sentMs: number,
    admission: Admission | undefined,
    counted: number,
  ): void {
    const { nowMs } = this.events;
    this.#runningOn(release.deployment).delete(release.job.job_id);
    const outcome = admission === undefined ? "failed" : admission.admitted ? "ok" : "refused";
    const headers = quotaHeadersOf({ get: (name) => admission?.headers[name] ?? null });
    this.#tell({
      deployment: release.deployment,
      ...{ job_id: release.job.job_id, tenant_id: release.job.tenant_id },
      ...(outcome === "ok" ? { used_tokens: counted } : {}),
      taken: release.taken,
      outcome,
      latency_ms: nowMs - sentMs,
      sent_ms: sentMs,
      headers: headers ?? { requests: null, tokens: null },
      retry_after_ms: admission?.admitted === false ? admission.retryAfterMs : null,
    });
    const { job } = release;
    this.counts.jobWrites++; // its end, or that it waits again
    if (outcome === "ok") {
      this.counts.done++;
      this.lastEndedMs = nowMs;
      this.#watch.completed?.(job, sentMs);
      return;
    }
    this.counts[outcome === "refused" ? "refused" : "failedCalls"]++;
    const next = outcome === "refused" ? job : failedOn(job, release.deployment);
    if ((next.failures ?? 0) >= machinery.MAX_ATTEMPTS) {
      this.counts.failed++;
      return;
    }
    this.#watch.waitsAgain?.(next);
    this.#joinIn(next, this.#delay(machinery.DELAYS.store));
  }

  /** The dispatcher's own instance hears of a call at once, of others' by their reports; bad news are not kept. */
  #tell(news: CallNews): void {
    const instance = this.#instance();
    if (instance === 0) {
      this.#measured(() => this.scheduler.heard(news, this.events.nowMs));
      this.#decideSoon(this.events.nowMs);
      return;
    }
    const unreported = this.#unreported.get(instance) ?? { news: [], dueMs: Infinity };
    this.#unreported.set(instance, unreported);
    unreported.news.push({ ...news, sent_ms: null });
    const { length } = unreported.news;
    if (news.outcome !== "ok" || length >= machinery.REPORT_CALLS) {
      this.#report(unreported);
      return;
    }
    const afterMs = length >= machinery.FEW_CALLS ? machinery.REPORT_MS : machinery.REPORT_FEW_MS;
    const dueMs = this.events.nowMs + afterMs;
    if (dueMs >= unreported.dueMs) return;
    unreported.dueMs = dueMs;
    this.events.at(dueMs, () => {
      if (unreported.dueMs === dueMs) this.#report(unreported);
    });
  }

  #report(unreported: Unreported): void {
    const { news } = unreported;
    unreported.news = [];
    unreported.dueMs = Infinity;
    this.counts.quotaWrites++;
    this.events.after(this.#delay(machinery.DELAYS.store), () => this.#reported.push(...news));
  }
}

/** The others are tried first. */
function failedOn(job: SimJob, deployment: string): SimJob {
  const others = job.deployments.filter((name) => name !== deployment);
  const failures = (job.failures ?? 0) + 1;
  return { ...job, failures, deployments: others.length > 0 ? others : job.deployments };
}
