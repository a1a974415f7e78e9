import { seeded } from "../../local/model-endpoints/seeded.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Log } from "../../shared/log.ts";
import { type Catalogue, parseCatalogue } from "../../shared/model/catalogue.ts";
import { quotaHeadersOf } from "../../shared/model/protocol/openai/quota-headers.ts";
import { Dispatcher } from "../../shared/quota/dispatch/dispatcher.ts";
import { InstanceDoor, limitedOf } from "../../shared/quota/door.ts";
import type { Grant } from "../../shared/quota/grant.ts";
import { InstanceQuota } from "../../shared/quota/instance/instance-quota.ts";
import { Reporter } from "../../shared/quota/instance/reporter.ts";
import { placeOf } from "../../shared/quota/turns/line.ts";
import { row } from "../measure.ts";
import type { Random, SimDeployment } from "./cloud.ts";
import { Events } from "./events.ts";
import { REFUSED_MS } from "./machinery.ts";
import { type Asked, MemoryStore } from "./memory-store.ts";
import type { Scenario } from "./scenarios.ts";
import { emptied, makeWorld, offer, type World, type WorldJob } from "./world.ts";

/**
 * What the other scenarios leave out: every instance has its own parts of the scheduler here (dispatcher, slices,
 * reports), they share a store in memory, and each of its operations is counted as it is asked for. Played are the
 * clock, the store's and the queue's delays, the worker's reads and writes of jobs, and the deployments.
 */
export interface Beginning {
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly done: number;
  /** Called out of an instance's own slice, without waiting. */
  readonly straight: number;
  readonly refusedStraight: number;
  readonly refusedGranted: number;
  readonly jobWrites: number;
  readonly asked: Asked;
}

/** Of an operation of the store, each way, and from a nudge's sending until it is taken: medians, ms. */
const STORE_TURN_MS = 2.5;
const NUDGE_MS = 15;
const STEP_MS = 1;
const MOST_SECONDS = 600;

interface Instance {
  readonly door: InstanceDoor;
  /** Until when a deployment is not to be called again. */
  readonly cooling: Map<string, number>;
}

interface Work {
  readonly job: WorldJob;
  parkedMs: number | undefined;
}

export async function begin(scenario: Scenario, seed: string): Promise<Beginning> {
  const events = new Events();
  const startMs = events.nowMs;
  const world = makeWorld(scenario, seeded(`world ${seed}`));
  for (const { members, limits } of world.quotas)
    if (members[0] !== undefined && scenario.bucketsFull !== true)
      emptied(members[0].limiter, limits, startMs);
  const service = new Service(events, world, seeded(`delays ${seed}`));
  offer(world, events, seeded(`jobs ${seed}`), (job) => service.submit(job));
  // What is due in one step, and then what that has settled.
  while (service.done < scenario.jobs && events.nowMs < startMs + MOST_SECONDS * 1_000) {
    const untilMs = events.nowMs + STEP_MS;
    events.run(untilMs, () => false);
    events.nowMs = untilMs;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { done, straight, refusedStraight, refusedGranted, jobWrites } = service;
  const seconds = (service.lastEndedMs - startMs) / 1_000;
  const { asked } = service.store;
  return { scenario, seconds, done, straight, refusedStraight, refusedGranted, jobWrites, asked };
}

class Service {
  readonly store: MemoryStore;
  done = 0;
  straight = 0;
  refusedStraight = 0;
  refusedGranted = 0;
  jobWrites = 0;
  lastEndedMs = 0;
  readonly #events: Events;
  readonly #random: Random;
  readonly #deployments: ReadonlyMap<string, SimDeployment>;
  readonly #instances: readonly Instance[];
  readonly #works = new Map<string, Work>();

  constructor(events: Events, world: World, random: Random) {
    this.#events = events;
    this.#random = random;
    this.#deployments = new Map(world.deployments.map((each) => [each.name, each]));
    this.store = new MemoryStore(() => this.#pass(this.#around(STORE_TURN_MS)));
    const catalogue = catalogueOf(world);
    const weights = new Map(world.tenants.map(({ id, weight }) => [id, weight]));
    const { instances } = world.scenario;
    this.#instances = Array.from({ length: instances }, (_, n) => this.#instance(n, catalogue, weights));
  }

  #instance(n: number, catalogue: Catalogue, weights: ReadonlyMap<string, number>): Instance {
    const { leases, parked, reports } = this.store;
    const by = { clock: clockOf(this.#events), log: SILENT, instance: `instance-${n}` };
    const limited = catalogue.deployments.map(limitedOf);
    const dispatcher = new Dispatcher({
      ...{ ...by, leases, parked, reports, ledger: this.store.ledgerOf("dispatcher") },
      releases: {
        release: async (jobs) => {
          await this.#pass(this.#around(STORE_TURN_MS));
          for (const { key, grant } of jobs) this.#nudge(key.job_id, grant);
        },
        giveUp: () => Promise.resolve(),
      },
      deployments: () => limited,
      weightOf: (tenant) => weights.get(tenant) ?? 1,
    });
    const quota = new InstanceQuota({ ...by, ledger: this.store.ledgerOf("instances") });
    const reporter = new Reporter({ ...by, reports });
    const door = new InstanceDoor({ catalogue: () => catalogue, quota, dispatcher, reporter });
    return { door, cooling: new Map() };
  }

  #around(ms: number): number {
    return ms * (0.5 + this.#random());
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#events.after(ms, resolve));
  }

  submit(job: WorldJob): void {
    this.#works.set(job.job_id, { job, parkedMs: undefined });
    this.jobWrites++;
    this.#nudge(job.job_id, undefined);
  }

  #nudge(jobId: string, grant: Grant | undefined): void {
    const instance = this.#instances[Math.floor(this.#random() * this.#instances.length)];
    const work = this.#works.get(jobId);
    if (instance === undefined || work === undefined) return;
    this.#events.after(this.#around(NUDGE_MS), () => void this.#run(instance, work, grant));
  }

  async #run(instance: Instance, work: Work, grant: Grant | undefined): Promise<void> {
    const { job } = work;
    if (grant !== undefined) return this.#call(instance, work, grant.deployment, grant);
    const free = await this.#free(instance, job);
    return free === undefined ? this.#park(instance, work) : this.#call(instance, work, free, undefined);
  }

  /** A deployment that may be called at once; asked for a slice where none of them may. */
  async #free({ door, cooling }: Instance, { deployments, tokens }: WorldJob): Promise<string | undefined> {
    const free = () =>
      deployments.find(
        (name) =>
          (cooling.get(name) ?? 0) <= this.#events.nowMs && door.waitCause(name, tokens) === undefined,
      );
    return free() ?? ((await door.prepare(deployments, tokens)) ? free() : undefined);
  }

  async #park({ door }: Instance, work: Work): Promise<void> {
    const { job } = work;
    const { tenant_id, job_id, priority, tokens, deployments, since_ms, deadline_ms } = job;
    const waiting = { tenant_id, job_id, priority, tokens, deployments, since_ms, deadline_ms };
    const place = placeOf(waiting);
    const parkedMs = this.#events.nowMs;
    this.jobWrites++;
    await this.#pass(this.#around(2 * STORE_TURN_MS));
    work.parkedMs = parkedMs;
    this.store.waiting.set(job_id, { ...waiting, parked_ms: parkedMs, place });
    door.parked({ ...waiting, parked_ms: parkedMs, place });
  }

  async #call(instance: Instance, work: Work, name: string, grant: Grant | undefined): Promise<void> {
    const { job } = work;
    const { door, cooling } = instance;
    const to = this.#deployments.get(name);
    if (to === undefined) return;
    const taken = grant?.taken ?? door.take(name, job.tokens);
    if (grant === undefined) this.straight++;
    this.jobWrites++; // the claim
    await this.#pass(this.#around(2 * STORE_TURN_MS));
    this.store.waiting.delete(job.job_id);
    const sentMs = this.#events.nowMs;
    door.started(name);
    const admission = to.limiter.admit(sentMs, to.counted(job.tokens));
    await this.#pass(admission.admitted ? to.callMs(this.#random) : REFUSED_MS);
    const quota = quotaHeadersOf({ get: (header) => admission.headers[header] ?? null });
    const latencyMs = this.#events.nowMs - sentMs;
    const heard = {
      deployment: name,
      jobId: job.job_id,
      taken,
      granted: grant !== undefined,
      sentMs,
      latencyMs,
    };
    const told = quota === undefined ? {} : { quota };
    if (admission.admitted) {
      const answer = { statusCode: 200, requestId: null, body: "{}", usage: null };
      await door.heard({ ...heard, outcome: { kind: "completed", ...answer, ...told } });
      this.jobWrites++;
      this.done++;
      this.lastEndedMs = this.#events.nowMs;
      return;
    }
    if (grant === undefined) this.refusedStraight++;
    else this.refusedGranted++;
    const { retryAfterMs } = admission;
    cooling.set(name, this.#events.nowMs + retryAfterMs);
    const refusal = { statusCode: 429, message: "too many", retryAfterMs };
    await door.heard({ ...heard, outcome: { kind: "rate_limited", ...refusal, ...told } });
    await this.#park(instance, work);
  }
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function clockOf(events: Events): Clock {
  return {
    now: () => events.nowMs,
    monotonic: () => events.nowMs,
    after(delayMs, run) {
      let isOff = false;
      events.after(delayMs, () => {
        if (!isOff) run();
      });
      return () => {
        isOff = true;
      };
    },
  };
}

function catalogueOf({ deployments }: World): Catalogue {
  const parsed = parseCatalogue(
    {
      deployments: deployments.map(({ name, provider, pool, limits }) => ({
        ...{ name, provider: provider.replaceAll(" ", "-").toLowerCase(), model: name },
        ...{ base_url: "http://127.0.0.1:1/v1", auth: { kind: "none" }, endpoints: ["/v1/chat/completions"] },
        ...{ limits: { ...limits, pool }, simulated: true },
        price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
      })),
    },
    { settings: {} },
  );
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.catalogue;
}

export const BEGINNING_HEAD = [
  ...["jobs", "deployments, instances", "called straight", "refused a job: straight, granted"],
  ...["Cosmos writes a job", "jobs' own", "quota's share", "lease", "pools, by the dispatcher (items)"],
  ...["pools, by instances", "reports", "of these refused (412)", "point reads a job", "queries a job"],
];

export function beginningRow(begun: Beginning): void {
  const { scenario, asked, jobWrites } = begun;
  const each = (count: number, digits = 2) => (count / scenario.jobs).toFixed(digits);
  const quota = asked.lease + asked.dispatcher + asked.instances + asked.reports;
  row(
    `${scenario.jobs.toLocaleString("en")}${scenario.bucketsFull === true ? ", buckets full" : ""}`,
    `${scenario.deployments}, ${scenario.instances}`,
    begun.straight,
    `${each(begun.refusedStraight, 4)}, ${each(begun.refusedGranted, 4)}`,
    each(jobWrites + quota),
    each(jobWrites),
    each(quota),
    asked.lease,
    `${asked.dispatcher} (${asked.items})`,
    asked.instances,
    asked.reports,
    asked.superseded,
    each(asked.reads),
    each(asked.queries),
  );
}
