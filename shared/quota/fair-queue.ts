import type { Priority } from "../job/job.ts";
import { Lane } from "./lane.ts";

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

/** One tenant's jobs that the same deployments can serve, by priority. */
class TenantJobs {
  readonly lanes: Readonly<Record<Priority, Lane>> = {
    high: new Lane(),
    standard: new Lane(),
    low: new Lane(),
  };
  readonly passedOver: Record<Priority, number> = { high: 0, standard: 0, low: 0 };

  get isEmpty(): boolean {
    return ORDER.every((priority) => this.lanes[priority].size === 0);
  }

  next(nowMs: number): Waiting | undefined {
    const waiting = ORDER.filter((priority) => this.lanes[priority].size > 0);
    const starved = waiting.findLast((priority) => this.passedOver[priority] >= PASSED_OVER);
    const priority = starved ?? waiting[0];
    return priority === undefined ? undefined : this.lanes[priority].next(nowMs);
  }

  taken(job: Waiting): void {
    this.passedOver[job.priority] = 0;
    const lower = ORDER.slice(ORDER.indexOf(job.priority) + 1);
    for (const priority of lower) if (this.lanes[priority].size > 0) this.passedOver[priority]++;
  }
}

/** Jobs that the same deployments can serve. */
interface Group {
  readonly deployments: readonly string[];
  readonly tenants: Map<string, TenantJobs>;
}

interface Service {
  /** What each tenant was served here, in tokens for one unit of weight; its place in the order of turns. */
  readonly turns: Map<string, number>;
  /** Where the order has got to: who comes anew begins here, not at what it did not use in the past. */
  now: number;
  readonly groups: Group[];
}

/**
 * Who is next on a deployment: weighted max-min among tenants by start-time fair queueing (Goyal, Vin, Cheng 1996)
 * on estimated tokens, inside a tenant the higher priority first, inside that the longest waiting, and before them
 * what would else miss its deadline.
 */
export class FairQueue {
  readonly #weightOf: (tenantId: string) => number;
  readonly #services = new Map<string, Service>();
  readonly #groups = new Map<string, Group>();
  readonly #jobs = new Map<string, Waiting>();

  constructor(weightOf: (tenantId: string) => number) {
    this.#weightOf = weightOf;
  }

  get size(): number {
    return this.#jobs.size;
  }

  has(jobId: string): boolean {
    return this.#jobs.has(jobId);
  }

  jobs(): Iterable<Waiting> {
    return this.#jobs.values();
  }

  add(job: Waiting): void {
    if (this.#jobs.has(job.job_id) || job.deployments.length === 0) return;
    this.#jobs.set(job.job_id, job);
    const group = this.#groupOf(job.deployments);
    let tenant = group.tenants.get(job.tenant_id);
    if (tenant === undefined) {
      tenant = new TenantJobs();
      group.tenants.set(job.tenant_id, tenant);
      for (const name of group.deployments) this.#arrive(name, job.tenant_id);
    }
    tenant.lanes[job.priority].add(job);
  }

  remove(jobId: string): Waiting | undefined {
    const job = this.#jobs.get(jobId);
    if (job === undefined) return undefined;
    this.#jobs.delete(jobId);
    const group = this.#groupOf(job.deployments);
    const tenant = group.tenants.get(job.tenant_id);
    tenant?.lanes[job.priority].remove(job);
    if (tenant?.isEmpty === true) group.tenants.delete(job.tenant_id);
    return job;
  }

  /** The jobs that come first in their lanes because their deadline is near. */
  nearDeadline(nowMs: number): Waiting[] {
    const near: Waiting[] = [];
    for (const group of this.#groups.values()) {
      for (const tenant of group.tenants.values()) {
        for (const priority of ORDER) near.push(...tenant.lanes[priority].near<Waiting>(nowMs));
      }
    }
    return near;
  }

  /** Whose turn it is on a deployment. */
  next(deployment: string, nowMs: number): Waiting | undefined {
    const service = this.#services.get(deployment);
    if (service === undefined) return undefined;
    let least = Infinity;
    let chosen: string | undefined;
    for (const group of service.groups) {
      for (const tenantId of group.tenants.keys()) {
        const turn = service.turns.get(tenantId) ?? service.now;
        if (turn < least) {
          least = turn;
          chosen = tenantId;
        }
      }
    }
    if (chosen === undefined) return undefined;
    return this.#ofTenant(service, chosen, nowMs);
  }

  /** A tenant may wait in several groups: the higher priority first, then the longer wait. */
  #ofTenant(service: Service, tenantId: string, nowMs: number): Waiting | undefined {
    let best: Waiting | undefined;
    for (const group of service.groups) {
      const job = group.tenants.get(tenantId)?.next(nowMs);
      if (job === undefined) continue;
      const rank = best === undefined ? -1 : ORDER.indexOf(job.priority) - ORDER.indexOf(best.priority);
      if (best === undefined || rank < 0 || (rank === 0 && job.since_ms < best.since_ms)) best = job;
    }
    return best;
  }

  /** The job goes to this deployment: its tenant has had that much of it. */
  take(job: Waiting, deployment: string): void {
    const service = this.#serviceOf(deployment);
    const start = Math.max(service.turns.get(job.tenant_id) ?? 0, service.now);
    service.now = start;
    service.turns.set(job.tenant_id, start + job.tokens / this.#weightOf(job.tenant_id));
    this.#groupOf(job.deployments).tenants.get(job.tenant_id)?.taken(job);
    this.remove(job.job_id);
  }

  #arrive(deployment: string, tenantId: string): void {
    const service = this.#serviceOf(deployment);
    service.turns.set(tenantId, Math.max(service.turns.get(tenantId) ?? 0, service.now));
  }

  #serviceOf(deployment: string): Service {
    let service = this.#services.get(deployment);
    if (service === undefined) {
      service = { turns: new Map(), now: 0, groups: [] };
      this.#services.set(deployment, service);
    }
    return service;
  }

  #groupOf(deployments: readonly string[]): Group {
    const key = deployments.join("\n");
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { deployments, tenants: new Map() };
      this.#groups.set(key, group);
      for (const name of deployments) this.#serviceOf(name).groups.push(group);
    }
    return group;
  }
}
