import type { Priority } from "../../priority.ts";
import { Lane, NEAR_DEADLINE_MS } from "./lane.ts";
import { Ranking } from "./ranking.ts";

/** A job that waits for quota, as far as its turn depends on it. */
export interface Waiting {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly priority: Priority;
  /** Estimated: prompt and longest answer. */
  readonly tokens: number;
  /** Those that can serve it, the preferred first. */
  readonly deployments: readonly string[];
  /** Since when it waits; its place among its tenant's jobs of the same priority. */
  readonly since_ms: number;
  readonly deadline_ms: number;
}

const ORDER: readonly Priority[] = ["high", "standard", "low"];
/** A priority that was passed over so often in a row has one turn: none starves for ever. */
const PASSED_OVER = 16;
/** With a deadline near it has one sooner. */
const PASSED_OVER_NEAR = 4;

/** A tenant's next job of one place, and why it is. */
interface Turn<J> {
  readonly job: J;
  /** Its priority was passed over too often. */
  readonly isStarved: boolean;
  readonly isNear: boolean;
}

/** One tenant's jobs that the same deployments can serve, whichever they prefer, by priority. */
class TenantJobs<J extends Waiting> {
  /** Of those deployments. */
  readonly key: string;
  readonly lanes: Readonly<Record<Priority, Lane<J>>> = {
    high: new Lane(),
    standard: new Lane(),
    low: new Lane(),
  };
  readonly passedOver: Record<Priority, number> = { high: 0, standard: 0, low: 0 };

  constructor(key: string) {
    this.key = key;
  }

  get isEmpty(): boolean {
    return ORDER.every((priority) => this.lanes[priority].size === 0);
  }

  next(nowMs: number): Turn<J> | undefined {
    let best: Turn<J> | undefined;
    for (const priority of ORDER) {
      const lane = this.lanes[priority];
      const job = lane.next(nowMs);
      if (job === undefined) continue;
      const isNear = lane.isNear(nowMs);
      const isStarved = this.passedOver[priority] >= (isNear ? PASSED_OVER_NEAR : PASSED_OVER);
      const turn = { job, isStarved, isNear };
      if (best === undefined || isBefore(turn, best)) best = turn;
    }
    return best;
  }

  /** Its tenant has had a turn where these wait as well. */
  passed(taken: Priority): void {
    const lower = ORDER.slice(ORDER.indexOf(taken) + 1);
    for (const priority of lower) if (this.lanes[priority].size > 0) this.passedOver[priority]++;
  }
}

/** What starves, the lowest priority of it first; else the higher priority, then a near deadline, then the longer wait. */
function isBefore(a: Turn<Waiting>, b: Turn<Waiting>): boolean {
  if (a.isStarved !== b.isStarved) return a.isStarved;
  const rank = ORDER.indexOf(a.job.priority) - ORDER.indexOf(b.job.priority);
  if (rank !== 0) return a.isStarved ? rank > 0 : rank < 0;
  if (a.isNear !== b.isNear) return a.isNear;
  return a.isNear ? a.job.deadline_ms < b.job.deadline_ms : a.job.since_ms < b.job.since_ms;
}

interface Service<J extends Waiting> {
  /** What each tenant was served here, in tokens for one unit of weight; its place in the order of turns. */
  readonly turns: Map<string, number>;
  /** Where the order has got to: who comes anew begins here, not at what it did not use in the past. */
  now: number;
  /** The tenants that wait for it, by turn. */
  readonly order: Ranking<string>;
  /** Of each tenant that waits: its jobs, apart where other deployments can serve them as well. */
  readonly waiting: Map<string, Set<TenantJobs<J>>>;
}

/**
 * Who is next on a deployment: weighted max-min among tenants by start-time fair queueing (Goyal, Vin, Cheng 1996)
 * on estimated tokens, inside a tenant the higher priority first, inside that the longest waiting, and before them
 * what would else miss its deadline; which need not wait for more than a few turns of higher priorities either.
 * Whatever waits, a step costs no more than a logarithm of it.
 */
export class FairQueue<J extends Waiting = Waiting> {
  readonly #weightOf: (tenantId: string) => number;
  readonly #services = new Map<string, Service<J>>();
  /** By the deployments that can serve them, then by tenant; those that are empty are forgotten. */
  readonly #groups = new Map<string, Map<string, TenantJobs<J>>>();
  readonly #jobs = new Map<string, { readonly job: J; readonly among: TenantJobs<J> }>();
  readonly #byDeadline = new Ranking<J>();

  constructor(weightOf: (tenantId: string) => number) {
    this.#weightOf = weightOf;
  }

  get size(): number {
    return this.#jobs.size;
  }

  get(jobId: string): J | undefined {
    return this.#jobs.get(jobId)?.job;
  }

  add(job: J): void {
    if (this.#jobs.has(job.job_id) || job.deployments.length === 0) return;
    const key = keyOf(job.deployments);
    const among = this.#groups.get(key)?.get(job.tenant_id) ?? this.#begin(job, key);
    this.#jobs.set(job.job_id, { job, among });
    this.#byDeadline.set(job, job.deadline_ms);
    among.lanes[job.priority].add(job);
  }

  remove(jobId: string): J | undefined {
    const held = this.#jobs.get(jobId);
    if (held === undefined) return undefined;
    const { job, among } = held;
    this.#jobs.delete(jobId);
    this.#byDeadline.delete(job);
    among.lanes[job.priority].remove(job);
    if (among.isEmpty) this.#end(job, among);
    return job;
  }

  /** All whose deadline is near, the nearest first. */
  nearDeadline(nowMs: number): J[] {
    return this.#byDeadline.below(nowMs + NEAR_DEADLINE_MS);
  }

  /** Whose turn it is on a deployment. @param may whether a tenant may be next; absent: all may */
  next(deployment: string, nowMs: number, may?: (tenantId: string) => boolean): J | undefined {
    const service = this.#services.get(deployment);
    let tenantId = service?.order.first();
    if (tenantId !== undefined && may?.(tenantId) === false)
      tenantId = service?.order.below(Infinity).find(may);
    if (service === undefined || tenantId === undefined) return undefined;
    // A tenant's jobs may be in several places.
    let best: Turn<J> | undefined;
    for (const jobs of service.waiting.get(tenantId) ?? []) {
      const turn = jobs.next(nowMs);
      if (turn !== undefined && (best === undefined || isBefore(turn, best))) best = turn;
    }
    return best?.job;
  }

  /** The job goes to this deployment: its tenant has had that much of it. */
  take(job: J, deployment: string): void {
    const { tenant_id } = job;
    const service = this.#serviceOf(deployment);
    const start = Math.max(service.turns.get(tenant_id) ?? 0, service.now);
    const turn = start + job.tokens / this.#weightOf(tenant_id);
    service.now = start;
    service.turns.set(tenant_id, turn);
    if (service.waiting.has(tenant_id)) service.order.set(tenant_id, turn);
    const among = this.#jobs.get(job.job_id)?.among;
    if (among !== undefined) among.passedOver[job.priority] = 0;
    for (const jobs of service.waiting.get(tenant_id) ?? []) jobs.passed(job.priority);
    this.remove(job.job_id);
  }

  /** The first job of a tenant that just these deployments can serve. */
  #begin({ deployments, tenant_id }: J, key: string): TenantJobs<J> {
    const jobs = new TenantJobs<J>(key);
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Map([[tenant_id, jobs]]));
    else group.set(tenant_id, jobs);
    for (const name of deployments) {
      const service = this.#serviceOf(name);
      const waiting = service.waiting.get(tenant_id);
      if (waiting !== undefined) {
        waiting.add(jobs);
        continue;
      }
      const turn = Math.max(service.turns.get(tenant_id) ?? 0, service.now);
      service.turns.set(tenant_id, turn);
      service.waiting.set(tenant_id, new Set([jobs]));
      service.order.set(tenant_id, turn);
    }
    return jobs;
  }

  #end({ deployments, tenant_id }: J, jobs: TenantJobs<J>): void {
    const group = this.#groups.get(jobs.key);
    group?.delete(tenant_id);
    if (group?.size === 0) this.#groups.delete(jobs.key);
    for (const name of deployments) {
      const service = this.#serviceOf(name);
      const waiting = service.waiting.get(tenant_id);
      waiting?.delete(jobs);
      if (waiting === undefined || waiting.size > 0) continue;
      service.waiting.delete(tenant_id);
      service.order.delete(tenant_id);
    }
  }

  #serviceOf(deployment: string): Service<J> {
    let service = this.#services.get(deployment);
    if (service === undefined) {
      service = { turns: new Map(), now: 0, order: new Ranking(), waiting: new Map() };
      this.#services.set(deployment, service);
    }
    return service;
  }
}

function keyOf(deployments: readonly string[]): string {
  return deployments.toSorted().join("\n");
}
