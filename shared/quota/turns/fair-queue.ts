import type { Priority } from "../../priority.ts";
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
  /** Its place among its tenant's jobs of the same priority. */
  readonly since_ms: number;
  readonly deadline_ms: number;
}

const ORDER: readonly Priority[] = ["high", "standard", "low"];
/** A priority that was passed over so often in a row has one turn; with a deadline near it has one sooner. */
const PASSED_OVER = 16;
const PASSED_OVER_NEAR = 4;
/** A job whose deadline is this near goes before those that wait longer. */
const NEAR_DEADLINE_MS = 30_000;

/** A tenant's next job of one place, and why it is. */
interface Turn<J> {
  readonly job: J;
  /** Its priority was passed over too often. */
  readonly isStarved: boolean;
  readonly isNear: boolean;
}

/** What starves, the lowest priority of it first; else the higher priority, then a near deadline, then the longer wait. */
function isBefore(a: Turn<Waiting>, b: Turn<Waiting>): boolean {
  if (a.isStarved !== b.isStarved) return a.isStarved;
  const rank = ORDER.indexOf(a.job.priority) - ORDER.indexOf(b.job.priority);
  if (rank !== 0) return a.isStarved ? rank > 0 : rank < 0;
  if (a.isNear !== b.isNear) return a.isNear;
  return a.isNear ? a.job.deadline_ms < b.job.deadline_ms : a.job.since_ms < b.job.since_ms;
}

/** Jobs of one tenant, priority and set of deployments. */
class Lane<J extends Waiting> {
  readonly bySince = new Ranking<J>();
  readonly byDeadline = new Ranking<J>();
  /** Turns of higher priorities while these waited. */
  passedOver = 0;

  next(nowMs: number): Turn<J> | undefined {
    if (this.bySince.size === 0) return undefined;
    const isNear = this.byDeadline.firstKey() < nowMs + NEAR_DEADLINE_MS;
    const job = isNear ? this.byDeadline.first() : this.bySince.first();
    const most = isNear ? PASSED_OVER_NEAR : PASSED_OVER;
    return job && { job, isStarved: this.passedOver >= most, isNear };
  }
}

/** One tenant's jobs that the same deployments can serve, whichever they prefer. */
class TenantJobs<J extends Waiting> {
  readonly key: string;
  readonly lanes: Readonly<Record<Priority, Lane<J>>> = {
    ...{ high: new Lane<J>(), standard: new Lane<J>(), low: new Lane<J>() },
  };

  constructor(key: string) {
    this.key = key;
  }

  get isEmpty(): boolean {
    return ORDER.every((priority) => this.lanes[priority].bySince.size === 0);
  }

  next(nowMs: number): Turn<J> | undefined {
    const { high, standard, low } = this.lanes;
    return before(low.next(nowMs), before(standard.next(nowMs), high.next(nowMs)));
  }

  /** Its tenant has had a turn where these wait as well. */
  passed(taken: Priority): void {
    for (const priority of ORDER.slice(ORDER.indexOf(taken) + 1))
      if (this.lanes[priority].bySince.size > 0) this.lanes[priority].passedOver++;
  }
}

function before<J extends Waiting>(
  turn: Turn<J> | undefined,
  best: Turn<J> | undefined,
): Turn<J> | undefined {
  return turn !== undefined && (best === undefined || isBefore(turn, best)) ? turn : best;
}

interface Service<J extends Waiting> {
  /** What each tenant was served here, for one unit of weight: its place in the order of turns. */
  readonly turns: Map<string, number>;
  /** Where the order has got to: who comes anew begins here, not at what it did not use in the past. */
  now: number;
  /** The tenants that wait for it, by turn. */
  readonly order: Ranking<string>;
  /** By tenant: its jobs, apart where other deployments can serve them as well. */
  readonly waiting: Map<string, Set<TenantJobs<J>>>;
}

/**
 * Who is next on a deployment: weighted max-min among tenants by start-time fair queueing (Goyal, Vin, Cheng 1996) on
 * what each call costs; inside a tenant the higher priority first, inside that the longest waiting, and before them
 * what would else miss its deadline. Whatever waits, a step costs no more than a logarithm of it.
 */
export class FairQueue<J extends Waiting = Waiting> {
  readonly #weightOf: (tenantId: string) => number;
  readonly #services = new Map<string, Service<J>>();
  /** By tenant and deployments; those that are empty are forgotten. */
  readonly #groups = new Map<string, TenantJobs<J>>();
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
    const key = [job.tenant_id, ...job.deployments.toSorted()].join("\n");
    const among = this.#groups.get(key) ?? this.#begin(job, key);
    this.#jobs.set(job.job_id, { job, among });
    this.#byDeadline.set(job, job.deadline_ms);
    among.lanes[job.priority].bySince.set(job, job.since_ms);
    among.lanes[job.priority].byDeadline.set(job, job.deadline_ms);
  }

  remove(jobId: string): J | undefined {
    const known = this.#jobs.get(jobId);
    if (known === undefined) return undefined;
    const { job, among } = known;
    this.#jobs.delete(jobId);
    this.#byDeadline.delete(job);
    among.lanes[job.priority].bySince.delete(job);
    among.lanes[job.priority].byDeadline.delete(job);
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
    if (service === undefined || tenantId === undefined) return undefined;
    if (may?.(tenantId) === false) {
      const turnOf = (id: string | undefined) => (id === undefined ? Infinity : (service.turns.get(id) ?? 0));
      tenantId = undefined;
      for (const id of service.waiting.keys()) if (turnOf(id) < turnOf(tenantId) && may(id)) tenantId = id;
    }
    return tenantId === undefined ? undefined : this.#turnOf(service, tenantId, nowMs)?.job;
  }

  /** Whether jobs wait for a deployment. @param unlike of any tenant but this one */
  isWaitedFor(deployment: string, unlike?: string): boolean {
    const waiting = this.#services.get(deployment)?.waiting;
    return waiting !== undefined && waiting.size > (unlike !== undefined && waiting.has(unlike) ? 1 : 0);
  }

  /** Who tries a deployment that may be ill: the longest waiting job, of another tenant than this one if any waits. */
  probe(
    deployment: string,
    nowMs: number,
    may: (tenantId: string) => boolean,
    unlike: string | undefined,
  ): J | undefined {
    const service = this.#services.get(deployment);
    const tenants = [...(service?.waiting.keys() ?? [])].filter(may);
    const others = tenants.filter((tenantId) => tenantId !== unlike);
    const jobs = (others.length > 0 ? others : tenants).map(
      (tenantId) => this.#turnOf(service, tenantId, nowMs)?.job,
    );
    return jobs.reduce(
      (best, job) => ((job?.since_ms ?? Infinity) < (best?.since_ms ?? Infinity) ? job : best),
      jobs[0],
    );
  }

  #turnOf(service: Service<J> | undefined, tenantId: string, nowMs: number): Turn<J> | undefined {
    let best: Turn<J> | undefined;
    for (const jobs of service?.waiting.get(tenantId) ?? []) best = before(jobs.next(nowMs), best);
    return best;
  }

  /** The job goes to this deployment: its tenant has had that much of it. @param cost above 0, in one unit for all calls there */
  take(job: J, deployment: string, cost = Math.max(1, job.tokens)): void {
    const { tenant_id } = job;
    const service = this.#serviceOf(deployment);
    service.now = Math.max(service.turns.get(tenant_id) ?? 0, service.now);
    this.#charge(service, tenant_id, service.now + cost / this.#weightOf(tenant_id));
    const among = this.#jobs.get(job.job_id)?.among;
    if (among !== undefined) among.lanes[job.priority].passedOver = 0;
    for (const jobs of service.waiting.get(tenant_id) ?? []) jobs.passed(job.priority);
    this.remove(job.job_id);
  }

  /** A call cost so much more, or less, than it was charged for. */
  settle(tenantId: string, deployment: string, more: number): void {
    const service = this.#serviceOf(deployment);
    const turn = service.turns.get(tenantId);
    if (turn !== undefined) this.#charge(service, tenantId, turn + more / this.#weightOf(tenantId));
  }

  #charge(service: Service<J>, tenantId: string, turn: number): void {
    service.turns.set(tenantId, turn);
    if (service.waiting.has(tenantId)) service.order.set(tenantId, turn);
  }

  /** The first job of a tenant that just these deployments can serve. */
  #begin({ deployments, tenant_id }: J, key: string): TenantJobs<J> {
    const jobs = new TenantJobs<J>(key);
    this.#groups.set(key, jobs);
    for (const name of deployments) {
      const service = this.#serviceOf(name);
      const waiting = service.waiting.get(tenant_id);
      if (waiting !== undefined) waiting.add(jobs);
      else {
        service.waiting.set(tenant_id, new Set([jobs]));
        this.#charge(service, tenant_id, Math.max(service.turns.get(tenant_id) ?? 0, service.now));
      }
    }
    return jobs;
  }

  #end({ deployments, tenant_id }: J, jobs: TenantJobs<J>): void {
    this.#groups.delete(jobs.key);
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
    const service = this.#services.get(deployment) ?? {
      ...{ turns: new Map(), now: 0, order: new Ranking<string>(), waiting: new Map() },
    };
    this.#services.set(deployment, service);
    return service;
  }
}
