import type { Priority } from "../job/job.ts";
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

/** One tenant's jobs that the same deployments can serve, whichever they prefer, by priority. */
class TenantJobs {
  /** Of those deployments. */
  readonly key: string;
  readonly lanes: Readonly<Record<Priority, Lane<Waiting>>> = {
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

  next(nowMs: number): Waiting | undefined {
    let first: Priority | undefined;
    let starved: Priority | undefined;
    for (const priority of ORDER) {
      if (this.lanes[priority].size === 0) continue;
      first ??= priority;
      if (this.passedOver[priority] >= PASSED_OVER) starved = priority;
    }
    const priority = starved ?? first;
    return priority === undefined ? undefined : this.lanes[priority].next(nowMs);
  }

  taken(job: Waiting): void {
    this.passedOver[job.priority] = 0;
    const lower = ORDER.slice(ORDER.indexOf(job.priority) + 1);
    for (const priority of lower) if (this.lanes[priority].size > 0) this.passedOver[priority]++;
  }
}

interface Service {
  /** What each tenant was served here, in tokens for one unit of weight; its place in the order of turns. */
  readonly turns: Map<string, number>;
  /** Where the order has got to: who comes anew begins here, not at what it did not use in the past. */
  now: number;
  /** The tenants that wait for it, by turn. */
  readonly order: Ranking<string>;
  /** Of each tenant that waits: its jobs, apart where other deployments can serve them as well. */
  readonly waiting: Map<string, Set<TenantJobs>>;
}

/**
 * Who is next on a deployment: weighted max-min among tenants by start-time fair queueing (Goyal, Vin, Cheng 1996)
 * on estimated tokens, inside a tenant the higher priority first, inside that the longest waiting, and before them
 * what would else miss its deadline. Whatever waits, a step costs no more than a logarithm of it.
 */
export class FairQueue {
  readonly #weightOf: (tenantId: string) => number;
  readonly #services = new Map<string, Service>();
  /** By the deployments that can serve them, then by tenant; those that are empty are forgotten. */
  readonly #groups = new Map<string, Map<string, TenantJobs>>();
  readonly #jobs = new Map<string, { readonly job: Waiting; readonly among: TenantJobs }>();
  readonly #byDeadline = new Ranking<Waiting>();

  constructor(weightOf: (tenantId: string) => number) {
    this.#weightOf = weightOf;
  }

  get size(): number {
    return this.#jobs.size;
  }

  has(jobId: string): boolean {
    return this.#jobs.has(jobId);
  }

  add(job: Waiting): void {
    if (this.#jobs.has(job.job_id) || job.deployments.length === 0) return;
    const key = keyOf(job.deployments);
    const among = this.#groups.get(key)?.get(job.tenant_id) ?? this.#begin(job, key);
    this.#jobs.set(job.job_id, { job, among });
    this.#byDeadline.set(job, job.deadline_ms);
    among.lanes[job.priority].add(job);
  }

  remove(jobId: string): Waiting | undefined {
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
  nearDeadline(nowMs: number): Waiting[] {
    return this.#byDeadline.below(nowMs + NEAR_DEADLINE_MS);
  }

  /** Whose turn it is on a deployment. */
  next(deployment: string, nowMs: number): Waiting | undefined {
    const service = this.#services.get(deployment);
    const tenantId = service?.order.first();
    if (service === undefined || tenantId === undefined) return undefined;
    // A tenant's jobs may be in several places: the higher priority first, then the longer wait.
    let best: Waiting | undefined;
    for (const jobs of service.waiting.get(tenantId) ?? []) {
      const job = jobs.next(nowMs);
      if (job === undefined) continue;
      const rank = best === undefined ? -1 : ORDER.indexOf(job.priority) - ORDER.indexOf(best.priority);
      if (best === undefined || rank < 0 || (rank === 0 && job.since_ms < best.since_ms)) best = job;
    }
    return best;
  }

  /** The job goes to this deployment: its tenant has had that much of it. */
  take(job: Waiting, deployment: string): void {
    const { tenant_id } = job;
    const service = this.#serviceOf(deployment);
    const start = Math.max(service.turns.get(tenant_id) ?? 0, service.now);
    const turn = start + job.tokens / this.#weightOf(tenant_id);
    service.now = start;
    service.turns.set(tenant_id, turn);
    if (service.waiting.has(tenant_id)) service.order.set(tenant_id, turn);
    this.#jobs.get(job.job_id)?.among.taken(job);
    this.remove(job.job_id);
  }

  /** The first job of a tenant that just these deployments can serve. */
  #begin({ deployments, tenant_id }: Waiting, key: string): TenantJobs {
    const jobs = new TenantJobs(key);
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

  #end({ deployments, tenant_id }: Waiting, jobs: TenantJobs): void {
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

  #serviceOf(deployment: string): Service {
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
