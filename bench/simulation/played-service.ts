import type { Admission } from "../../local/model-endpoints/rate-limit.ts";
import type { Log } from "../../shared/log.ts";
import { quotaHeadersOf } from "../../shared/model/protocol/openai/quota-headers.ts";
import { Dispatcher } from "../../shared/quota/dispatch/dispatcher.ts";
import type { Grant } from "../../shared/quota/grant.ts";
import { InstanceQuota } from "../../shared/quota/instance/instance-quota.ts";
import { Reporter } from "../../shared/quota/instance/reporter.ts";
import type { Limited } from "../../shared/quota/limited.ts";
import { placeOf } from "../../shared/quota/turns/line.ts";
import type { Random, SimDeployment, SimJob } from "./cloud.ts";
import type { Events } from "./events.ts";
import { REFUSED_MS } from "./machinery.ts";
import { MemoryStore } from "./memory-store.ts";
import { type Layout, Platform, Process } from "./platform.ts";

/** An operation of the store, each way, and a message from its sending until it is taken: medians, ms. */
const STORE_TURN_MS = 2.5;
const MESSAGE_MS = 15;
/** What a process that is told to end has left. */
const GRACE_MS = 2_000;
/** A job whose process died is found by the sweeper so much later. */
const LOST_MS = 32_000;

interface Work {
  readonly job: SimJob;
  /** It was called, and is no more to be done. */
  isDone: boolean;
}

/** A process, and the parts of the scheduler that run in it. */
class Instance extends Process {
  readonly dispatcher: Dispatcher;
  readonly quota: InstanceQuota;
  readonly reporter: Reporter;

  constructor(name: string, service: PlayedService) {
    super(service.events, name);
    const { deployments } = service;
    const turn = () => this.pass(service.around(STORE_TURN_MS));
    const store = service.store.of(turn);
    const by = { clock: this.clock, log: SILENT, instance: name, reports: store.reports };
    this.dispatcher = new Dispatcher({
      ...{ ...by, leases: store.leases, ledger: store.dispatcherLedger, line: store.line },
      releases: {
        release: async (jobs) => {
          await turn();
          for (const { key, grant } of jobs) service.nudge("releases", key.job_id, grant);
        },
        giveUp: () => Promise.resolve(),
        dispatch: async (atMs) => {
          await turn();
          service.sendDispatch(atMs);
        },
      },
      deployments: () => service.limited,
      weightOf: service.weightOf,
    });
    this.reporter = new Reporter(by);
    this.quota = new InstanceQuota({
      ...{ ...by, ledger: store.instanceLedger, jobs: store.line },
      ...{ dispatcher: this.dispatcher, reporter: this.reporter },
      deployment: (deployment) => deployments.get(deployment),
      weightOf: service.weightOf,
    });
  }
}

/**
 * Every process has its own parts of the scheduler here (dispatcher, slices, reports), as in production; they share a
 * store in memory whose operations are counted. Played are the clock, the platform, the delays of store and queue, the
 * worker's reads and writes of jobs, and the deployments.
 */
export class PlayedService {
  readonly events: Events;
  readonly store: MemoryStore;
  readonly platform: Platform<Instance>;
  readonly deployments: ReadonlyMap<string, SimDeployment>;
  readonly limited: readonly Limited[];
  readonly weightOf: (tenantId: string) => number;
  done = 0;
  straight = 0;
  refusedStraight = 0;
  refusedGranted = 0;
  jobWrites = 0;
  lastEndedMs = 0;
  /** The longest time without a call, while jobs waited. */
  longestGapMs = 0;
  #calledMs: number;
  running = 0;
  mostRunning = 0;
  readonly #random: Random;
  readonly #works = new Map<string, Work>();

  constructor(
    events: Events,
    deployments: readonly SimDeployment[],
    layout: Layout,
    options: { random: Random; weightOf?: (tenantId: string) => number },
  ) {
    this.events = events;
    this.#calledMs = events.nowMs;
    this.#random = options.random;
    this.weightOf = options.weightOf ?? (() => 1);
    this.deployments = new Map(deployments.map((each) => [each.name, each]));
    this.limited = deployments;
    this.store = new MemoryStore(() => events.nowMs);
    this.platform = new Platform(layout, events, options.random, (name) => new Instance(name, this));
    const sweep = () => {
      this.platform.deliver("sweep", (instance) =>
        this.#invocation(instance, () => instance.dispatcher.tend()),
      );
      events.after(layout.sweepEveryMs, sweep);
    };
    events.after(layout.sweepEveryMs, sweep);
  }

  around(ms: number): number {
    return ms * (0.5 + this.#random());
  }

  /** What the platform does to the process that dispatches. @param isKilled it is not even told */
  endLeader(isKilled: boolean): void {
    const leader = this.platform.processes.find(({ dispatcher }) => dispatcher.isLeading);
    if (leader === undefined) return;
    this.platform.end(leader, isKilled ? 0 : GRACE_MS);
    if (!isKilled) void leader.dispatcher.handOver();
  }

  submit(job: SimJob): void {
    this.#works.set(job.job_id, { job, isDone: false });
    this.jobWrites++;
    this.nudge("nudges", job.job_id, undefined);
  }

  nudge(queue: "nudges" | "releases", jobId: string, grant: Grant | undefined): void {
    const work = this.#works.get(jobId);
    if (work === undefined) return;
    this.events.after(this.around(MESSAGE_MS), () =>
      this.platform.deliver(queue, (instance) =>
        this.#invocation(instance, () => this.#run(instance, work, grant)),
      ),
    );
  }

  sendDispatch(atMs = this.events.nowMs): void {
    this.events.at(atMs + this.around(MESSAGE_MS), () =>
      this.platform.deliver("releases", (instance) =>
        this.#invocation(instance, () => instance.dispatcher.run()),
      ),
    );
  }

  /** As the service does: what calls met is told before the last invocation of a process returns. */
  async #invocation(instance: Instance, run: () => Promise<void>): Promise<void> {
    await run();
    if (instance.invocations === 1) await instance.reporter.flush();
  }

  async #run(instance: Instance, work: Work, grant: Grant | undefined): Promise<void> {
    const { tenant_id, job_id, tokens, deployments } = work.job;
    if (work.isDone || this.store.running.has(job_id)) return;
    if (grant !== undefined) {
      if (grant.lapses_ms > this.events.nowMs) return this.#call(instance, work, grant.deployment, grant);
      await instance.quota.unused(grant, job_id, false);
    }
    const waiting = this.store.waiting.get(job_id);
    if (waiting !== undefined) return instance.quota.waitsInLine(waiting);
    const { quota } = instance;
    const free = () => deployments.find((name) => quota.waits(name, tokens, tenant_id) === undefined);
    const found = free() ?? ((await quota.prepare(deployments, tokens, tenant_id)) ? free() : undefined);
    return found === undefined ? this.#wait(instance, work) : this.#call(instance, work, found, undefined);
  }

  async #wait(instance: Instance, work: Work): Promise<void> {
    const { tenant_id, job_id, priority, tokens, deployments, since_ms, deadline_ms } = work.job;
    const waiting = { tenant_id, job_id, priority, tokens, deployments, since_ms, deadline_ms };
    const joined_ms = this.events.nowMs;
    this.jobWrites++;
    await instance.pass(this.around(2 * STORE_TURN_MS));
    const stored = { ...waiting, joined_ms, place: placeOf(waiting) };
    this.store.waiting.set(job_id, stored);
    await instance.quota.waitsInLine(stored);
  }

  async #call(instance: Instance, work: Work, name: string, grant: Grant | undefined): Promise<void> {
    const { job } = work;
    const { quota } = instance;
    const to = this.deployments.get(name);
    if (to === undefined) return;
    const taken = grant?.taken ?? quota.take(name, job.tokens, job.job_id, job.tenant_id);
    if (grant === undefined) this.straight++;
    this.jobWrites++; // the claim
    await instance.pass(this.around(2 * STORE_TURN_MS));
    const isWaitedFor = this.store.waiting.size > 0;
    this.store.waiting.delete(job.job_id);
    this.store.running.set(job.job_id, { deployment: name, tenant_id: job.tenant_id });
    this.#watchLost(instance, work);
    const sentMs = this.events.nowMs;
    const admission = to.limiter.admit(sentMs, to.counted(job.tokens));
    if (admission.admitted) {
      if (isWaitedFor) this.longestGapMs = Math.max(this.longestGapMs, sentMs - this.#calledMs);
      this.#calledMs = sentMs;
      this.mostRunning = Math.max(this.mostRunning, ++this.running);
    }
    const callMs = admission.admitted ? to.callMs(this.#random) : REFUSED_MS;
    // The deployment works on, whatever becomes of the process.
    this.events.after(callMs, () => {
      if (admission.admitted) this.running--;
    });
    await instance.pass(callMs);
    await this.#heard(instance, work, admission, { name, taken, sentMs, granted: grant !== undefined });
  }

  async #heard(
    instance: Instance,
    work: Work,
    admission: Admission,
    call: { name: string; taken: Grant["taken"]; sentMs: number; granted: boolean },
  ): Promise<void> {
    const { job_id: jobId, tenant_id: tenantId } = work.job;
    const { name: deployment, taken, sentMs, granted } = call;
    const quota = quotaHeadersOf({ get: (header) => admission.headers[header] ?? null });
    const told = quota === undefined ? {} : { quota };
    const heard = {
      deployment,
      jobId,
      tenantId,
      taken,
      granted,
      sentMs,
      latencyMs: this.events.nowMs - sentMs,
    };
    this.jobWrites++; // its end, or that it waits
    if (admission.admitted) {
      const answer = { statusCode: 200, requestId: null, body: "{}", usage: null };
      await instance.quota.heard({ ...heard, outcome: { kind: "completed", ...answer, ...told } });
      await instance.pass(this.around(2 * STORE_TURN_MS));
      this.store.running.delete(jobId);
      work.isDone = true;
      this.done++;
      this.lastEndedMs = this.events.nowMs;
      return;
    }
    this[granted ? "refusedGranted" : "refusedStraight"]++;
    const { retryAfterMs } = admission;
    const refusal = { statusCode: 429, message: "too many", retryAfterMs };
    await instance.quota.heard({
      ...heard,
      outcome: { kind: "rate_limited", cause: "rate", ...refusal, ...told },
    });
    this.store.running.delete(jobId);
    this.jobWrites--; // counted as it waits
    await this.#wait(instance, work);
  }

  /** The sweeper finds a job whose worker is gone. */
  #watchLost(instance: Instance, work: Work): void {
    const { job_id } = work.job;
    const look = () => {
      if (work.isDone || !this.store.running.has(job_id)) return;
      if (instance.state !== "dead") return this.events.after(LOST_MS, look);
      this.store.running.delete(job_id);
      this.nudge("releases", job_id, undefined);
    };
    this.events.after(LOST_MS, look);
  }
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A step of virtual time, and then what that has settled. */
const STEP_MS = 1;

export async function turn(events: Events, untilMs: number, isDone: () => boolean): Promise<void> {
  while (!isDone() && events.nowMs < untilMs) {
    const stepMs = events.nowMs + STEP_MS;
    events.run(stepMs, () => false);
    events.nowMs = stepMs;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
