import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Container } from "@azure/cosmos";
import { ManualClock } from "../../local/clock.ts";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../local/cosmos/server.ts";
import { CONTROL_CONTAINER, JOBS_CONTAINER, openDatabase } from "../../shared/azure/cosmos/client.ts";
import { CosmosJobStore } from "../../shared/azure/cosmos/job-store.ts";
import { CosmosLeaseWatch } from "../../shared/azure/cosmos/lease-watch.ts";
import { StoredItems } from "../../shared/azure/cosmos/stored-items.ts";
import { CosmosSweptJobs } from "../../shared/azure/cosmos/swept-jobs.ts";
import type { Clock } from "../../shared/clock.ts";
import { inlineContent } from "../../shared/content/content-store.ts";
import type { Nudge, Nudges } from "../../shared/job/ports.ts";
import { createCooling } from "../../shared/job/run/cooling.ts";
import type { RunDeps } from "../../shared/job/run/run-deps.ts";
import { createRunningJobs } from "../../shared/job/running-jobs.ts";
import { Sweeper } from "../../shared/job/sweep/sweep.ts";
import type { Log } from "../../shared/log.ts";
import { type Catalogue, parseCatalogue } from "../../shared/model/catalogue.ts";
import { createModelClient } from "../../shared/model/client.ts";
import { createLatencies } from "../../shared/model/latency.ts";
import { parseTenants, type Tenants } from "../../shared/tenant/tenants.ts";

/** A clock that only moves when told, for the app. */
export class TestClock extends ManualClock implements Clock {
  monotonic(): number {
    return this.now();
  }
}

/** Nudges go nowhere but into a list: a test delivers them, or not. */
export class NudgeList implements Nudges {
  readonly sent: { nudge: Nudge; atMs: number | undefined }[] = [];
  failing = false;

  send(nudge: Nudge, options: { atMs?: number } = {}): Promise<void> {
    if (this.failing) return Promise.reject(new Error("Service Bus is away"));
    this.sent.push({ nudge, atMs: options.atMs });
    return Promise.resolve();
  }
}

export const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export const resources = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../../infra/resources.json"), "utf8"),
);

/** The real store: the app's adapter, the SDK's client, the local Cosmos DB. */
export interface OpenedStore {
  readonly cosmos: RunningCosmos;
  readonly store: CosmosJobStore;
  /** The containers beneath, for what the app itself never does. */
  readonly jobs: Container;
  readonly control: Container;
  /** The same as the app's adapters see them. */
  readonly items: { readonly jobs: StoredItems; readonly control: StoredItems };
  close(): Promise<void>;
}

export async function openStore(clock: Clock, log: Log = silent): Promise<OpenedStore> {
  const cosmos = await startCosmos({
    port: 0,
    databaseFile: ":memory:",
    resources: cosmosResources(resources),
    clock,
  });
  const connectionString = `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY}`;
  const { database, dispose } = openDatabase({ kind: "connection_string", connectionString }, () => {
    throw new Error("no identity here");
  });
  const jobs = database.container(JOBS_CONTAINER);
  const control = database.container(CONTROL_CONTAINER);
  const items = { jobs: new StoredItems(jobs, log), control: new StoredItems(control, log) };
  return {
    ...{ cosmos, jobs, control, items },
    store: new CosmosJobStore(items.jobs, { contentDays: 30, auditDays: 0 }, inlineContent),
    async close() {
      dispose();
      await cosmos.close();
    },
  };
}

/** What a deployment does with a call: answers, or does nothing until the test says so. */
export type Reply = (call: { body: string; response: ServerResponse; request: IncomingMessage }) => void;

export const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  ({ response }) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };

export const completion = (text: string) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "m",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
});

/** Deployments on loopback, each with its own list of replies, taken in turn; the last one stays. */
export class Labs {
  readonly calls: { deployment: string; body: string; headers: IncomingMessage["headers"] }[] = [];
  readonly #replies = new Map<string, Reply[]>();
  #server: Server | undefined;
  #onCall: (() => void)[] = [];

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => this.#take(request, response, Buffer.concat(chunks).toString()));
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
  }

  #take(request: IncomingMessage, response: ServerResponse, body: string): void {
    const deployment = (request.url ?? "").split("/")[1] ?? "";
    this.calls.push({ deployment, body, headers: request.headers });
    const replies = this.#replies.get(deployment) ?? [];
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    (reply ?? answer(500, { error: { message: "no reply was set" } }))({ body, response, request });
    for (const tell of this.#onCall.splice(0)) tell();
  }

  /** Without a slash at its end; a deployment's calls go below its name. */
  get url(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    if (address === undefined) throw new Error("start the labs first");
    return `http://127.0.0.1:${address.port}`;
  }

  reply(deployment: string, ...replies: Reply[]): void {
    this.#replies.set(deployment, replies);
  }

  /** Resolves when the next call has come in. */
  nextCall(): Promise<void> {
    return new Promise((resolve) => this.#onCall.push(resolve));
  }

  /** A catalogue of these deployments, and a route `both` over all of them. */
  catalogue(...names: string[]): Catalogue {
    const address = this.#server?.address() as AddressInfo | undefined;
    if (address === undefined) throw new Error("start the labs first");
    const { port } = address;
    const parsed = parseCatalogue(
      {
        deployments: names.map((name) => ({
          name,
          provider: name.split("-")[0],
          model: `${name}-model`,
          base_url: `http://127.0.0.1:${port}/${name}/v1`,
          auth: { kind: "none" },
          endpoints: ["/v1/chat/completions"],
          capabilities: [],
          price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
          simulated: true,
        })),
        routes: [
          { model: "both", strategy: "ordered", targets: names.map((deployment) => ({ deployment })) },
        ],
      },
      { settings: {} },
    );
    if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
    return parsed.catalogue;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

export function someTenants(): Tenants {
  const parsed = parseTenants({ tenants: [{ id: "team-a" }, { id: "team-b" }] }, { local: true });
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.tenants;
}

/** A sweeper of one round or many: it remembers nothing, so a test may make a new one for each. */
export function sweeperOn(
  { store, jobs, items }: Pick<OpenedStore, "store" | "jobs" | "items">,
  by: { nudges: Nudges; urgent?: Pick<Nudges, "send">; clock: Clock },
): Sweeper {
  return new Sweeper({
    urgent: by.nudges,
    ...{
      store,
      jobs: new CosmosSweptJobs(jobs, by.clock),
      watch: new CosmosLeaseWatch(items.control),
      ...by,
    },
    ...{ nudgeGraceMs: 10_000, leaseSeconds: 30 },
  });
}

/** A worker with everything real but the clock and the queue. */
export function workerOn(
  world: { store: CosmosJobStore; clock: TestClock; nudges: NudgeList; catalogue: Catalogue },
  change: Partial<RunDeps> = {},
): RunDeps {
  let claims = 0;
  return {
    store: world.store,
    nudges: world.nudges,
    models: createModelClient({
      settings: {},
      credential: () => {
        throw new Error("no identity here");
      },
      clock: world.clock,
    }),
    catalogue: () => world.catalogue,
    tenants: someTenants,
    cooling: createCooling(world.clock),
    latencies: createLatencies(world.clock),
    running: createRunningJobs(),
    clock: world.clock,
    random: () => 0.5,
    newClaimId: () => `claim-${Math.random().toString(36).slice(2)}-${claims++}`,
    log: silent,
    actor: "worker:test",
    leaseSeconds: 30,
    maxAttempts: 3,
    nudgeGraceMs: 10_000,
    ...change,
  };
}
