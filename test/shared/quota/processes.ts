import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../../local/cosmos/server.ts";
import { cosmosPorts } from "../../../shared/azure/ports.ts";
import type { Clock } from "../../../shared/clock.ts";
import { Secrets } from "../../../shared/control/secrets.ts";
import type { FreshCopy } from "../../../shared/fresh-copy.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { runJob } from "../../../shared/job/run/run.ts";
import { runParts } from "../../../shared/job/sweep/parts.ts";
import { type Catalogue, parseCatalogue } from "../../../shared/model/catalogue.ts";
import { createModelClient } from "../../../shared/model/client.ts";
import type { Releases } from "../../../shared/quota/ports.ts";
import { composeService, type Service } from "../../../shared/service.ts";
import { parseTenants, type Tenants } from "../../../shared/tenant/tenants.ts";
import { resources, silent, TestClock } from "../world.ts";

type Queue = "nudges" | "releases";
type Message = Nudge | { readonly dispatch: true };

/** A process of the service: while it is frozen its timers stand still, once it is gone they are no more. */
export class Process {
  readonly name: string;
  readonly service: Service;
  isFrozen = false;
  isGone = false;
  #held: (() => void)[] = [];

  constructor(world: Processes, name: string, watched: readonly FreshCopy[]) {
    this.name = name;
    const { clock: time } = world;
    const clock: Clock = {
      now: () => time.now(),
      monotonic: () => time.monotonic(),
      after: (delayMs, run) =>
        time.after(delayMs, () => {
          if (this.isFrozen) this.#held.push(run);
          else if (!this.isGone) run();
        }),
    };
    const connectionString = `AccountEndpoint=http://127.0.0.1:${world.cosmosPort}/;AccountKey=${EMULATOR_KEY}`;
    const settings = {
      ...{
        cosmos: { kind: "connection_string" as const, connectionString },
        instance: name,
        leaseSeconds: 20,
      },
      ...{ sweepSeconds: 5, maxAttempts: 5, defaultDeadlineSeconds: 86_400, maxDeadlineSeconds: 86_400 },
      ...{ auditRetentionDays: 0, contentRetentionDays: 30 },
    } as const;
    const { ports, dispose } = cosmosPorts(settings, world.nobody, clock, silent);
    world.closing.push(dispose);
    const send =
      (queue: Queue) =>
      async (message: Message, options: { atMs?: number } = {}) =>
        void world.messages.push({ queue, message, atMs: options.atMs ?? 0 });
    const released = send("releases");
    const releases: Releases & { send: typeof released } = {
      send: released,
      release: async (jobs) => {
        for (const { key, grant } of jobs) await released({ v: 1, ...key, grant });
      },
      giveUp: async (keys) => {
        for (const key of keys) await released({ v: 1, ...key, late: true });
      },
      dispatch: (atMs) => released({ dispatch: true }, atMs === undefined ? {} : { atMs }),
    };
    const randomHex = (bytes: number) => String(world.ids++).padStart(2 * bytes, "0");
    const secrets = new Secrets({ trail: ports.trail, clock, log: silent, randomHex, actor: name });
    this.service = composeService(
      {
        ...{ ...ports, releases, nudges: { send: send("nudges") }, clock, log: silent, random: () => 0.5 },
        models: createModelClient({
          ...{ settings: {}, credential: world.nobody, clock },
          jobName: (provider, jobId) => secrets.jobName(provider, jobId),
        }),
        secrets,
        newId: () => `${name}-${world.ids++}`,
        randomHex,
      },
      { settings, catalogue: () => world.catalogue, tenants: () => world.tenants, watched },
    );
  }

  thaw(): void {
    this.isFrozen = false;
    for (const run of this.#held.splice(0)) run();
  }

  /** An invocation of the function that the message is for. */
  take(message: Message): Promise<void> {
    const { service } = this;
    if ("dispatch" in message) return service.invocation(() => service.dispatcher.run());
    return service.invocation(() => runJob({ ...service.run, log: silent }, message));
  }

  sweep(): Promise<void> {
    return this.service.invocation(() => runParts(this.service.sweep, silent));
  }
}

/**
 * Several processes of the composed service on one local Cosmos DB, with the app's own adapters, a lab on loopback whose
 * calls take as long as a test says by a clock turned by hand, and queues that a test delivers.
 */
export class Processes {
  readonly clock = new TestClock();
  readonly messages: { readonly queue: Queue; readonly message: Message; readonly atMs: number }[] = [];
  readonly closing: (() => void)[] = [];
  catalogue: Catalogue;
  tenants: Tenants;
  /** How long a call of the lab takes. */
  callMs = 0;
  running = 0;
  mostRunning = 0;
  calls = 0;
  ids = 0;
  readonly #cosmos: RunningCosmos;
  readonly #lab: Server;
  readonly #underWay = new Set<Promise<void>>();

  private constructor(cosmos: RunningCosmos, clock: TestClock, lab: Server, limits: object) {
    this.#cosmos = cosmos;
    this.clock = clock;
    this.#lab = lab;
    const parsed = parseCatalogue(
      {
        deployments: [
          {
            ...{ name: "one", provider: "lab", model: "m", auth: { kind: "none" }, limits, simulated: true },
            base_url: `http://127.0.0.1:${(lab.address() as AddressInfo).port}/v1`,
            endpoints: ["/v1/chat/completions"],
            price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
          },
        ],
      },
      { settings: {} },
    );
    const tenants = parseTenants({ tenants: [{ id: "team-a" }] }, { local: true });
    if ("faults" in parsed || "faults" in tenants) throw new Error("the world is not valid");
    this.catalogue = parsed.catalogue;
    this.tenants = tenants.tenants;
  }

  /** @param limits of the one deployment */
  static async open(limits: object): Promise<Processes> {
    const clock = new TestClock();
    const cosmos = await startCosmos({
      ...{ port: 0, databaseFile: ":memory:", resources: cosmosResources(resources), clock },
    });
    const lab = createServer((request, response) => {
      request.resume();
      world.calls++;
      world.mostRunning = Math.max(world.mostRunning, ++world.running);
      const answer = () => {
        world.running--;
        const choices = [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hi" } }];
        const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ id: "c", object: "chat.completion", model: "m", choices, usage }));
      };
      if (world.callMs === 0) answer();
      else clock.after(world.callMs, answer);
    });
    await new Promise<void>((resolve) => lab.listen(0, "127.0.0.1", resolve));
    const world: Processes = new Processes(cosmos, clock, lab, limits);
    return world;
  }

  get cosmosPort(): number {
    return this.#cosmos.port;
  }

  readonly nobody = (): never => {
    throw new Error("no identity here");
  };

  process(name: string, watched: readonly FreshCopy[] = []): Process {
    return new Process(this, name, watched);
  }

  /** So many jobs, as they are stored once they were accepted, and their nudges. */
  async accept(by: Process, count: number): Promise<Nudge[]> {
    const nudges: Nudge[] = [];
    for (let n = 0; n < count; n++) {
      const jobId = `job_${String(this.ids++).padStart(32, "0")}`;
      const nowMs = this.clock.now();
      const accepted = acceptJob(
        {
          ...{ endpoint: "/v1/chat/completions", model: "m", priority: "standard", metadata: {} },
          bodyText: '{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]}',
          ...{ notBeforeMs: null, deadlineMs: nowMs + 86_400_000, envelopeSha256: "e".repeat(64) },
        },
        {
          tenantId: "team-a",
          jobId,
          actor: "team-a/key:1",
          nowMs,
          nudgeGraceMs: 10_000,
          retention: { contentDays: 30, auditDays: 0 },
        },
      );
      await by.service.store.create(accepted, nowMs);
      nudges.push({ v: 1, tenant_id: "team-a", job_id: jobId });
    }
    return nudges;
  }

  /** Takes what is due off the queues, each message by the process that `whose` names; undefined: it stays. */
  deliver(whose: (queue: Queue, n: number) => Process | undefined): void {
    for (const [n, each] of [...this.messages].entries()) {
      const process = each.atMs <= this.clock.now() ? whose(each.queue, n) : undefined;
      if (process === undefined) continue;
      this.messages.splice(this.messages.indexOf(each), 1);
      this.invoke(() => process.take(each.message));
    }
  }

  /** Lets an invocation go on while the test turns the clock. */
  invoke(run: () => Promise<void>): void {
    const underWay = run()
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  get invocations(): number {
    return this.#underWay.size;
  }

  /** Turns the clock in small steps, sockets answering in between, until it has come to pass. */
  async turnUntil(isDone: () => boolean, each: () => void = () => undefined, stepMs = 50): Promise<void> {
    for (let turns = 0; turns < 20_000; turns++) {
      if (isDone()) return;
      each();
      // Two turns of the event loop let a request on loopback come and go.
      for (let n = 0; n < 2; n++) await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(stepMs);
    }
    throw new Error("it never came to pass");
  }

  async close(): Promise<void> {
    for (const close of this.closing) close();
    this.#lab.closeAllConnections();
    await new Promise((resolve) => this.#lab.close(resolve));
    await this.#cosmos.close();
  }
}
