import { readFileSync } from "node:fs";
import path from "node:path";
import type { Container } from "@azure/cosmos";
import { expect } from "vitest";
import { ManualClock } from "../../local/clock.ts";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../local/cosmos/server.ts";
import { verifyChain } from "../../shared/audit/chain.ts";
import type { AuditRecord } from "../../shared/audit/record.ts";
import {
  CONTROL_CONTAINER,
  FILES_CONTAINER,
  JOBS_CONTAINER,
  openDatabase,
} from "../../shared/azure/cosmos/client.ts";
import { StoredItems } from "../../shared/azure/cosmos/stored-items.ts";
import { cosmosPorts } from "../../shared/azure/ports.ts";
import type { BatchTurns } from "../../shared/batch/ports.ts";
import { type Clock, systemClock } from "../../shared/clock.ts";
import { changeOverrides, type Setting } from "../../shared/control/change-overrides.ts";
import { Secrets } from "../../shared/control/secrets.ts";
import { acceptJob, type Submission } from "../../shared/job/intake/accept.ts";
import type { Job } from "../../shared/job/job.ts";
import type { Nudge, Nudges } from "../../shared/job/ports.ts";
import { runJob } from "../../shared/job/run/run.ts";
import { runParts } from "../../shared/job/sweep/parts.ts";
import type { Log } from "../../shared/log.ts";
import type { Catalogue } from "../../shared/model/catalogue.ts";
import { createModelClient } from "../../shared/model/client.ts";
import type { Grant } from "../../shared/quota/grant.ts";
import type { Releases } from "../../shared/quota/ports.ts";
import { signedReleases } from "../../shared/quota/signed-words.ts";
import {
  composeService,
  type Service,
  type ServiceConfiguration,
  type ServicePorts,
  type StorePorts,
} from "../../shared/service.ts";
import type { JobKey, Stored } from "../../shared/store.ts";
import { noTelemetry } from "../../shared/telemetry/telemetry.ts";
import { parseTenants, type Tenants } from "../../shared/tenant/tenants.ts";
import { ThreadChecks } from "../../shared/validation/answer-checks.ts";
import type { AddressPolicy } from "../../shared/webhook/address.ts";
import type { DeliveryNudge, DeliveryQueue } from "../../shared/webhook/ports.ts";
import { createSender, type Resolve, systemResolve } from "../../shared/webhook/send.ts";
import { submission } from "./job/samples.ts";
import { Labs } from "./labs.ts";

/** A clock that only moves when told, for the app. */
export class TestClock extends ManualClock implements Clock {
  monotonic(): number {
    return this.now();
  }
}

export const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export const resources = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../../infra/resources.json"), "utf8"),
);

/** Two tenants, the first with this budget. */
export function tenantsWith(budget?: object, first = "team-a"): Tenants {
  const parsed = parseTenants({ tenants: [{ id: first, budget }, { id: "team-b" }] }, { local: true });
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.tenants;
}

/** A queue that nobody serves: what is sent goes into a list, and a test delivers it, or not. */
export class MessageList implements Nudges, Releases {
  readonly sent: { nudge: Nudge; atMs: number | undefined }[] = [];
  failing = false;

  async send(nudge: Nudge, options: { atMs?: number } = {}): Promise<void> {
    if (this.failing) throw new Error("Service Bus is away");
    this.sent.push({ nudge, atMs: options.atMs });
  }

  async release(jobs: Parameters<Releases["release"]>[0]): Promise<void> {
    for (const { key, grant } of jobs) await this.send({ v: 1, ...key, grant });
  }

  async giveUp(jobs: Parameters<Releases["giveUp"]>[0]): Promise<void> {
    for (const job of jobs) await this.send({ v: 1, ...job });
  }

  /** The world delivers messages to dispatch: World.turnUntil. */
  async dispatch(): Promise<void> {}

  /** What is on the list and due, so many at most, which is then on it no more. */
  take(nowMs: number, most = Number.POSITIVE_INFINITY): Nudge[] {
    const due = this.sent.filter(({ atMs }) => atMs === undefined || atMs <= nowMs).slice(0, most);
    for (const each of due) this.sent.splice(this.sent.indexOf(each), 1);
    return due.map(({ nudge }) => nudge);
  }

  of({ job_id }: Pick<JobKey, "job_id">): Nudge[] {
    return this.sent.filter(({ nudge }) => nudge.job_id === job_id).map(({ nudge }) => nudge);
  }
}

/** The queue of deliveries, likewise. */
export class DeliveryList implements DeliveryQueue {
  readonly sent: { nudge: DeliveryNudge; atMs: number | undefined }[] = [];
  failing = false;

  async send(nudge: DeliveryNudge, options: { atMs?: number } = {}): Promise<void> {
    if (this.failing) throw new Error("Service Bus is away");
    this.sent.push({ nudge, atMs: options.atMs });
  }

  /** What is due, which is then on the list no more. */
  take(nowMs: number): DeliveryNudge[] {
    const due = this.sent.filter(({ atMs }) => atMs === undefined || atMs <= nowMs);
    for (const each of due) this.sent.splice(this.sent.indexOf(each), 1);
    return due.map(({ nudge }) => nudge);
  }
}

/** A thread of its own takes the machine's time, and on a busy one much of it: no test is about how much. */
const PATIENT: Pick<Clock, "after"> = { after: (ms, run) => systemClock.after(ms * 100, run) };

/** Grace of a nudge and length of a lease in these worlds. */
export const GRACE_MS = 10_000;

export interface WorldOptions {
  readonly startMs?: number;
  readonly settings?: Partial<ServiceConfiguration["settings"]>;
  readonly log?: Log;
}

/**
 * What the service runs on, in the test's own process: the app's composition and its adapters over the SDK's client,
 * the local Cosmos DB, labs that answer as told, a clock turned by hand, and queues that a test delivers by hand.
 */
export class World {
  readonly clock: TestClock;
  readonly labs = new Labs();
  /** The two queues. */
  readonly nudges = new MessageList();
  readonly releases = new MessageList();
  /** What a test makes of batches' turns. */
  turns: BatchTurns = { send: async () => undefined };
  readonly deliveries = new DeliveryList();
  /** Where webhooks may go, and what a name's addresses are. */
  policy: AddressPolicy = { privateHosts: [], loopback: true };
  resolve: Resolve = systemResolve;
  readonly cosmos: RunningCosmos;
  /** The containers beneath, for what the app itself never does. */
  readonly jobs: Container;
  readonly control: Container;
  readonly files: Container;
  /** The same as the app's adapters see them. */
  readonly items: { readonly jobs: StoredItems; readonly control: StoredItems };
  /** Those of an instance that does nothing else. */
  readonly ports: StorePorts;
  /** What the files say: a test may put others in their place. */
  catalogue: Catalogue;
  tenants = tenantsWith();
  /** App settings. */
  environment: Readonly<Record<string, string>> = {};
  readonly #connectionString: string;
  readonly #settings: ServiceConfiguration["settings"];
  readonly #log: Log;
  readonly #dispose: (() => void)[] = [];
  /** Messages that have their taker dispatch. */
  #dispatches: { readonly atMs: number; readonly run: () => Promise<void> }[] = [];
  readonly #randomHex = (bytes: number) => String(++this.#ids).padStart(bytes * 2, "0");
  #underWay = 0;
  #calls = 0;
  #ids = 0;

  private constructor(cosmos: RunningCosmos, clock: TestClock, labs: Labs, options: WorldOptions) {
    this.cosmos = cosmos;
    this.clock = clock;
    this.labs = labs;
    this.#log = options.log ?? silent;
    this.#connectionString = `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY}`;
    this.#settings = {
      ...{
        instance: "none",
        local: true,
        operatorKeySha256: undefined,
        leaseSeconds: GRACE_MS / 1000,
        sweepSeconds: 1,
        maxAttempts: 3,
        maxCalls: 512,
        bodyMemoryBytes: 2 ** 28,
      },
      ...{ defaultDeadlineSeconds: 3_600, maxDeadlineSeconds: 7_200 },
      ...{ auditRetentionDays: 0, contentRetentionDays: 30 },
      files: { maxFileBytes: 2e8, maxFiles: 100, maxBytes: 1e9, bytesPerSecond: 1e12 },
      maxBatchLines: 2_000,
      ...options.settings,
    };
    const connection = { kind: "connection_string", connectionString: this.#connectionString } as const;
    const { database, dispose } = openDatabase(connection, nobody);
    this.#dispose.push(dispose);
    this.jobs = database.container(JOBS_CONTAINER);
    this.control = database.container(CONTROL_CONTAINER);
    this.files = database.container(FILES_CONTAINER);
    this.items = {
      jobs: new StoredItems(this.jobs, this.#log),
      control: new StoredItems(this.control, this.#log),
    };
    this.ports = this.#ports(clock);
    this.catalogue = labs.catalogue("openai-one", "xai-two");
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const clock = new TestClock(options.startMs);
    const labs = new Labs();
    await labs.start();
    const at = { port: 0, databaseFile: ":memory:", resources: cosmosResources(resources) };
    return new World(await startCosmos({ ...at, clock }), clock, labs, options);
  }

  async close(): Promise<void> {
    for (const dispose of this.#dispose) dispose();
    await this.labs.stop();
    await this.cosmos.close();
  }

  #ports(clock: Clock): StorePorts {
    const cosmos = { kind: "connection_string", connectionString: this.#connectionString } as const;
    const { ports, dispose } = cosmosPorts(
      { ...this.#settings, cosmos },
      nobody,
      clock,
      this.#log,
      () => undefined,
    );
    this.#dispose.push(dispose);
    const counted = Object.entries(ports).map(([name, port]) => [name, this.#counted(port)]);
    return Object.fromEntries(counted) as StorePorts;
  }

  /** The same port; what was asked of it and is not answered yet is counted. */
  #counted<T extends object>(port: T): T {
    return new Proxy(port, {
      get: (target, name) => {
        const own: unknown = Reflect.get(target, name);
        if (typeof own !== "function") return own;
        return (...args: unknown[]) => {
          const result: unknown = own.apply(target, args);
          if (!(result instanceof Promise)) return result;
          this.#underWay++;
          return result.finally(() => this.#underWay--);
        };
      },
    });
  }

  /** One more instance of the app, which takes the messages to dispatch that it sends. @param change of its ports; its settings and the files are the world's */
  instance(name = "one", change: Partial<ServicePorts & { clock: TestClock }> = {}): Instance {
    const { clock = this.clock } = change;
    const secrets = this.secrets(name, clock);
    const client = createModelClient({
      ...{ settings: this.environment, credential: nobody, clock },
      jobName: (provider, jobId) => secrets.jobName(provider, jobId),
    });
    this.#dispose.push(() => void client.close());
    const sender = createSender({ policy: this.policy, resolve: (host) => this.resolve(host), clock });
    const checks = new ThreadChecks(PATIENT);
    this.#dispose.push(
      () => void sender.close(),
      () => checks.close(),
    );
    const service: Service = composeService(
      {
        ...(clock === this.clock ? this.ports : this.#ports(clock)),
        releases: Object.assign(Object.create(this.releases), {
          dispatch: async (atMs = 0) => void this.#dispatches.push({ atMs, run: () => dispatch() }),
        }) as MessageList,
        turns: this.turns,
        ...{ deliveryQueue: this.deliveries, sender, checks: this.#counted(checks) },
        ...{ nudges: this.nudges, telemetry: noTelemetry, clock, log: this.#log },
        models: {
          call: (call) => {
            this.#calls++;
            return client.call(call).finally(() => this.#calls--);
          },
        },
        random: () => 0.5,
        randomHex: this.#randomHex,
        secrets,
        newId: () => `${name}-${++this.#ids}`,
        ...change,
      },
      {
        settings: { ...this.#settings, instance: name },
        environment: this.environment,
        catalogue: () => this.catalogue,
        tenants: () => this.tenants,
        watched: [],
      },
    );
    const dispatch = () => service.invocation(() => service.dispatcher.run());
    return new Instance(service, clock, this.#log);
  }

  /** What an instance knows that nobody else does. */
  secrets(actor = "nobody", clock = this.clock): Secrets {
    const { trail } = clock === this.clock ? this.ports : this.#ports(clock);
    return new Secrets({ trail, clock, log: this.#log, randomHex: this.#randomHex, actor });
  }

  /** The nudge as the dispatcher sends it. */
  granted(key: JobKey, grant: Grant): Promise<Nudge> {
    return this.#said((releases) => releases.release([{ key, grant }]));
  }

  /** The nudge by which the dispatcher gives a job up. */
  late({ tenant_id, job_id }: JobKey): Promise<Nudge> {
    return this.#said((releases) => releases.giveUp([{ tenant_id, job_id }]));
  }

  async #said(say: (releases: Releases) => Promise<void>): Promise<Nudge> {
    const list = new MessageList();
    await say(signedReleases(list, this.secrets()));
    const [sent] = list.sent;
    if (sent === undefined) throw new Error("nothing was sent");
    return sent.nudge;
  }

  /** One whose clock stands still: it renews no lease, and to all others it is gone. */
  frozen(offMs = 0): Instance {
    return this.instance("frozen", { clock: new TestClock(this.clock.now() + offMs) });
  }

  /** Resolves once nothing is under way but what a lab has not answered. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.#underWay > 0 || this.#calls > this.labs.unanswered ? 0 : quiet + 1;
    }
  }

  /** Turns the clock a little at a time, and lets all settle in between, until `done` holds. */
  async turnUntil(done: () => boolean | Promise<boolean>, stepMs = 25): Promise<void> {
    for (let turns = 0; turns < 20_000; turns++) {
      await this.settled();
      if (await done()) return;
      this.#dispatch();
      this.clock.advance(stepMs);
    }
    throw new Error("it never came to pass");
  }

  /** What fails is found by the sweeper's net, as where the queue gives a message up. */
  #dispatch(): void {
    const due = this.#dispatches.filter(({ atMs }) => atMs <= this.clock.now());
    this.#dispatches = this.#dispatches.filter((each) => !due.includes(each));
    for (const { run } of due) run().catch(() => undefined);
  }

  /** Turns the clock until `work` is done. */
  async turning<T>(work: Promise<T>, stepMs = 25): Promise<T> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    void work.then(end, end);
    await this.turnUntil(() => ended, stepMs);
    return work;
  }

  /** A stored job, and the nudge for it. */
  async accepted(change: Partial<Submission> & { readonly tenantId?: string } = {}): Promise<Nudge> {
    const { tenantId = "team-a", ...asked } = change;
    const jobId = `job_${String(++this.#ids).padStart(32, "0")}`;
    const nowMs = this.clock.now();
    const model = asked.model ?? "openai-one-model";
    const bodyText = `{"model":"${model}","n":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}`;
    const whole = { ...submission, deadlineMs: nowMs + 3_600_000, model, bodyText, ...asked };
    const by = { tenantId, jobId, actor: `${tenantId}/key:1`, nowMs, nudgeGraceMs: GRACE_MS };
    const { contentRetentionDays: contentDays, auditRetentionDays: auditDays } = this.#settings;
    const retention = { contentDays, auditDays };
    await this.ports.store.create(acceptJob(whole, { ...by, retention }), nowMs);
    return { v: 1, tenant_id: tenantId, job_id: jobId };
  }

  async stored(key: JobKey): Promise<Stored<Job>> {
    const stored = await this.ports.store.read(key);
    if (stored === undefined) throw new Error("the job is gone");
    return stored;
  }

  async job(key: JobKey): Promise<Job> {
    return (await this.stored(key)).value;
  }

  /** The job as it is stored, and its trail, which must be whole. */
  async seen(key: JobKey): Promise<{ job: Job; trail: readonly AuditRecord[]; events: string[] }> {
    const job = await this.job(key);
    const trail = await this.ports.store.audit(key);
    expect(verifyChain(trail, { seq: job.audit_seq, hash: job.audit_hash })).toMatchObject({ intact: true });
    return { job, trail, events: trail.map(({ event }) => event) };
  }

  async eventsOf(key: JobKey): Promise<string[]> {
    return (await this.seen(key)).events;
  }

  /** An operator changes something, and these instances hear of it. */
  async operate(setting: Setting, ...instances: readonly Instance[]): Promise<void> {
    const by = { changeId: `change ${++this.#ids}`, actor: "ops/key:1", reason: null };
    await changeOverrides({ trail: this.ports.trail, clock: this.clock }, setting, by);
    for (const { service } of instances) await service.overridesWatch.look();
  }
}

/** One process of the app, but for its triggers: a test pulls them. */
export class Instance {
  readonly service: Service;
  readonly clock: TestClock;
  readonly #log: Log;

  constructor(service: Service, clock: TestClock, log: Log) {
    this.service = service;
    this.clock = clock;
    this.#log = log;
  }

  get running(): Service["running"] {
    return this.service.running;
  }

  /** What the worker does with a message. */
  run(nudge: Nudge): Promise<void> {
    const { run, invocation } = this.service;
    return invocation(() => runJob({ ...run, log: this.#log }, nudge));
  }

  /** What becomes of a message of the queue of deliveries. */
  deliver(nudge: DeliveryNudge): Promise<void> {
    const { deliver, invocation } = this.service;
    return invocation(() => deliver(nudge, this.#log));
  }

  /** One turn of the sweep timer. @throws SweepFailed */
  sweep(): Promise<void> {
    const { sweep, invocation } = this.service;
    return invocation(() => runParts(sweep, this.#log));
  }
}

function nobody(): never {
  throw new Error("no identity here");
}
