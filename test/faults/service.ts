import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CosmosClient } from "@azure/cosmos";
import { ServiceBusClient } from "@azure/service-bus";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import type { CosmosFaultPlan } from "../../local/cosmos/fault-plan.ts";
import type { FaultPlan as BusFaults } from "../../local/service-bus/fault-plan.ts";
import type { AuditRecord } from "../../shared/audit/record.ts";
import { CONTROL_CONTAINER, DATABASE, JOBS_CONTAINER } from "../../shared/azure/cosmos/client.ts";
import type { JobDocument } from "../../shared/azure/cosmos/job-document.ts";
import { jobNameOf, ROOT_ID, type Root, SECRETS_SCOPE } from "../../shared/control/secrets.ts";
import type { StoredResponse } from "../../shared/job/job.ts";
import { Stack } from "../end-to-end/stack.ts";
import type { CountedCall, StoredJob } from "./evidence.ts";
import { HOSTILE, HOSTILE_SETTINGS, HostileLab } from "./hostile-lab.ts";
import { HOSTILE_KEY_SHA256, HOSTILE_TENANT } from "./hostile-tenant.ts";
import type { StoredBatchState, StoredDelivery } from "./receiver.ts";

interface Doors {
  readonly control: string;
  readonly cosmos_port: number;
  readonly service_bus_port: number;
  readonly model_endpoints_port: number;
}

/**
 * The queue of infra/resources.json but for its lock: a message whose host was killed is seen again after 10 s
 * instead of 60 s, so that a run need not wait so long for its queues to be empty.
 */
const QUEUES = {
  UserConfig: {
    Namespaces: [
      {
        Name: "faults",
        Queues: ["nudges", "releases", "batches", "deliveries"].map((Name) => ({
          Name,
          Properties: { LockDuration: "PT10S", MaxDeliveryCount: 10 },
        })),
      },
    ],
  },
};

/** A lab whose quota is short: its jobs wait in line, and the dispatcher lets them go. */
export const SHORT = { profile: "xai", model: "grok-sim", requests_per_minute: 120 };
const SHORT_WINDOW_SECONDS = 2;
const MANY_TOKENS = 100_000_000;

/** The enforced limit, as the simulated models are told. */
const MODEL_LIMITS = JSON.stringify({
  ...SHORT,
  ...{ tokens_per_minute: MANY_TOKENS, window_seconds: SHORT_WINDOW_SECONDS, shape: "bucket" },
});

const fileOf = (name: string): unknown =>
  JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../..", name), "utf8"));

/** The catalogue of the repository, which knows of that limit, and the hostile lab. */
function catalogue(hostile: HostileLab["deployment"]): object {
  const { deployments, routes } = fileOf("models.json") as {
    deployments: { model: string }[];
    routes: object[];
  };
  const { requests_per_minute, model } = SHORT;
  const limits = {
    requests_per_minute,
    tokens_per_minute: MANY_TOKENS,
    window_seconds: SHORT_WINDOW_SECONDS,
  };
  const targets = [hostile.name, "gpt-sim-local"].map((deployment) => ({ deployment }));
  return {
    deployments: [...deployments.map((d) => (d.model === model ? { ...d, limits } : d)), hostile],
    routes: [...routes, { model: HOSTILE.route, strategy: "ordered", targets }],
  };
}

/** The tenants of the repository, and the hostile one. */
function tenants(): object {
  const { tenants, operators } = fileOf("tenants.json") as { tenants: object[]; operators: object[] };
  return { tenants: [...tenants, { id: HOSTILE_TENANT, key_sha256: [HOSTILE_KEY_SHA256] }], operators };
}

/** How often a condition is looked at. */
const LOOK_MS = 100;
const DOOR_PATIENCE_MS = 3_000;
const PAGE = 1_000;

/** The whole service under test: processes, and the doors by which faults go in and evidence comes out. */
export class Service {
  readonly stack: Stack;
  readonly lab: HostileLab;
  readonly #modelsFile: string;

  /** @param seed what the hostile lab does, by chance */
  constructor(
    environment: Record<string, string>,
    { instances, seed, layout = [] }: { instances: number; seed: number; layout?: readonly string[] },
  ) {
    this.lab = new HostileLab(seed);
    const files = { SERVICEBUS_CONFIG: "", MODELS_FILE: "", TENANTS_FILE: "", MODEL_LIMITS };
    Object.assign(files, HOSTILE_SETTINGS);
    this.stack = new Stack(Object.assign(files, environment), ["--instances", String(instances), ...layout]);
    files.SERVICEBUS_CONFIG = path.join(this.stack.folder, "service-bus.json");
    writeFileSync(files.SERVICEBUS_CONFIG, JSON.stringify(QUEUES));
    files.MODELS_FILE = path.join(this.stack.folder, "catalogue.json");
    this.#modelsFile = files.MODELS_FILE;
    files.TENANTS_FILE = path.join(this.stack.folder, "tenants.json");
    writeFileSync(files.TENANTS_FILE, JSON.stringify(tenants()));
  }

  async start(): Promise<void> {
    await this.lab.start();
    writeFileSync(this.#modelsFile, JSON.stringify(catalogue(this.lab.deployment)));
    await this.stack.start();
  }

  async remove(): Promise<void> {
    await this.stack.remove();
    await this.lab.stop();
  }

  /** Pids as they are now: a process that was killed is replaced by another. */
  processes(): { host: readonly number[]; emulators: number | null } {
    return this.stack.processes();
  }

  /** Sends a signal to a process of this stack; false when it was gone already. */
  signal(pid: number, signal: NodeJS.Signals): boolean {
    try {
      return process.kill(pid, signal);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ESRCH") return false;
      throw thrown;
    }
  }

  /** Where the emulators' doors are; emulators that were started again have others. */
  #doors(): Doors {
    return JSON.parse(readFileSync(path.join(this.stack.folder, "emulators.json"), "utf8")) as Doors;
  }

  async #door(url: (doors: Doors) => string, body?: unknown): Promise<unknown> {
    const response = await fetch(url(this.#doors()), {
      signal: AbortSignal.timeout(DOOR_PATIENCE_MS),
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    const json: unknown = await response.json();
    if (!response.ok) throw new Error(`${url(this.#doors())}: ${response.status} ${JSON.stringify(json)}`);
    return json;
  }

  async setFaults(plans: { cosmos?: CosmosFaultPlan; service_bus?: BusFaults }): Promise<void> {
    await this.#door(({ control }) => `${control}faults`, plans);
  }

  async setModelFaults(rules: readonly object[] | { reset: true; profile?: string }): Promise<void> {
    await this.#door(({ model_endpoints_port: port }) => `http://127.0.0.1:${port}/_control`, rules);
  }

  /** Calls that were struck by the model faults meant for one call, or by those for calls of all models. */
  async modelFaultsStruck(those: "once" | "all_models"): Promise<number> {
    const { rules } = (await this.#door(
      ({ model_endpoints_port: port }) => `http://127.0.0.1:${port}/_control`,
    )) as { rules: { struck: number; times: number | null; profile: string | null }[] };
    return rules
      .filter(({ times, profile }) => (those === "once" ? times === 1 : profile === null))
      .reduce((sum, { struck }) => sum + struck, 0);
  }

  async counters(): Promise<{ service_bus: Record<string, number>; cosmos: Record<string, number> }> {
    return (await this.#door(({ control }) => control)) as Awaited<ReturnType<Service["counters"]>>;
  }

  /** Messages by queue and state; without the dispatcher's word to itself to go on when a lab has asked to be spared until. */
  async queues(): Promise<Record<string, number>> {
    const { service_bus } = await this.counters();
    const scheduled = service_bus["releases.scheduled"] ?? 0;
    if (scheduled > 0) service_bus["releases.scheduled"] = scheduled - (await this.#dispatchesScheduled());
    return Object.fromEntries(
      Object.entries(service_bus).filter(([name]) =>
        /^(nudges|releases|batches|deliveries)\.(ready|locked|scheduled|deferred|dead)$/.test(name),
      ),
    );
  }

  async #dispatchesScheduled(): Promise<number> {
    const client = this.openServiceBus();
    try {
      const messages = await client.createReceiver("releases").peekMessages(PAGE);
      return messages.filter(({ body, state }) => state === "scheduled" && body?.dispatch === true).length;
    } finally {
      await client.close();
    }
  }

  /** Connected to the emulated Service Bus as a client of it. */
  openServiceBus(): ServiceBusClient {
    const key = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";
    const { service_bus_port: port } = this.#doors();
    return new ServiceBusClient(`Endpoint=sb://127.0.0.1:${port};${key};UseDevelopmentEmulator=true;`, {
      retryOptions: { maxRetries: 0, timeoutInMs: DOOR_PATIENCE_MS },
    });
  }

  /** The process that dispatches; undefined where none does. Instances are called `p<pid>` (mixed-hosts.ts). */
  async dispatcher(): Promise<number | undefined> {
    const client = this.#openCosmos();
    try {
      const item = client.database(DATABASE).container(CONTROL_CONTAINER).item("dispatcher", "quota");
      const { resource } = await item.read<{ value: { holder: string | null } }>();
      const pid = /^p(\d+)$/.exec(resource?.value.holder ?? "")?.[1];
      return pid === undefined ? undefined : Number(pid);
    } finally {
      client.dispose();
    }
  }

  #openCosmos(): CosmosClient {
    return new CosmosClient({
      endpoint: `http://127.0.0.1:${this.#doors().cosmos_port}/`,
      key: EMULATOR_KEY,
    });
  }

  /** All calls, each with the job that it was for: labs know it by another name. */
  async calls(stored: readonly StoredJob[]): Promise<CountedCall[]> {
    const names = await this.#jobNames(stored);
    const counted = [...(await this.#counted()), ...this.lab.calls];
    return counted.map((call) => ({ ...call, job: names.get(call.job ?? "") ?? call.job }));
  }

  async #jobNames(stored: readonly StoredJob[]): Promise<ReadonlyMap<string, string>> {
    const client = this.#openCosmos();
    try {
      const item = client.database(DATABASE).container(CONTROL_CONTAINER).item(ROOT_ID, SECRETS_SCOPE);
      const { resource: root } = await item.read<Root>();
      if (root === undefined) return new Map();
      const providers = [
        "openai",
        "xai",
        "deepseek",
        HOSTILE.provider,
        ...stored.map(({ job }) => job.provider ?? ""),
      ];
      return new Map(
        stored.flatMap(({ job: { job_id } }) =>
          [...new Set(providers)].map((provider) => [jobNameOf(root, provider, job_id), job_id] as const),
        ),
      );
    } finally {
      client.dispose();
    }
  }

  async #counted(): Promise<CountedCall[]> {
    const all: CountedCall[] = [];
    for (let more = true; more; ) {
      const since = all.at(-1)?.seq ?? 0;
      const page = (await this.#door(
        ({ model_endpoints_port: port }) =>
          `http://127.0.0.1:${port}/_control/calls?since=${since}&limit=${PAGE}`,
      )) as { data: CountedCall[]; has_more: boolean };
      all.push(...page.data);
      more = page.has_more;
    }
    return all;
  }

  /** Every job with all that is stored of it, read past the service. */
  async stored(): Promise<StoredJob[]> {
    const client = this.#openCosmos();
    try {
      const items = client.database(DATABASE).container(JOBS_CONTAINER).items;
      const { resources } = await items.query<Item>("SELECT * FROM c", { maxItemCount: PAGE }).fetchAll();
      const byJob = Map.groupBy(resources, (item) => item.job_id);
      return [...byJob.values()].map(storedJob).filter((each) => each !== undefined);
    } finally {
      client.dispose();
    }
  }

  /** Events and deliveries, read past the service. */
  deliveries(): Promise<StoredDelivery[]> {
    return this.#query(
      "SELECT c.kind, c.job_id, c.event, c.delivery.status FROM c WHERE c.kind IN ('outbox', 'delivery')",
    );
  }

  /** Batches as they are stored, read past the service. */
  batches(): Promise<StoredBatchState[]> {
    return this.#query("SELECT c.tenant_id, c.job_id AS batch_id, c.status FROM c WHERE c.kind = 'batch'");
  }

  async #query<T>(query: string): Promise<T[]> {
    const client = this.#openCosmos();
    try {
      const items = client.database(DATABASE).container(JOBS_CONTAINER).items;
      return (await items.query<T>(query, { maxItemCount: PAGE }).fetchAll()).resources;
    } finally {
      client.dispose();
    }
  }

  /** Whether the condition held within the time. A door that is shut for the moment counts as «not yet». */
  async until(patienceMs: number, holds: () => boolean | Promise<boolean>): Promise<boolean> {
    const end = performance.now() + patienceMs;
    for (;;) {
      try {
        if (await holds()) return true;
      } catch (thrown) {
        if (performance.now() > end) throw thrown;
      }
      if (performance.now() > end) return false;
      await sleep(LOOK_MS);
    }
  }
}

type Item = { job_id: string; kind: string } & Record<string, unknown>;

function storedJob(items: readonly Item[]): StoredJob | undefined {
  const job = items.find((item) => item.kind === "job");
  if (job === undefined) return undefined;
  const response = items.find((item) => item.kind === "response");
  const records = items.filter((item) => item.kind === "audit").sort((a, b) => Number(a.seq) - Number(b.seq));
  const { first_records: first = [] } = job as unknown as JobDocument;
  return {
    job: job as unknown as JobDocument,
    hasRequest: items.some((item) => item.kind === "request"),
    response: response as unknown as StoredResponse | undefined,
    trail: [...first, ...records.map(recordOf)],
    storedAt: [...first.map(({ at }) => at), ...records.map((item) => Number(item._ts))],
  };
}

/** The record without what the store keeps beside it. */
function recordOf(item: Item): AuditRecord {
  const { id, v, kind, tenant_id, billed, ttl, _rid, _self, _etag, _attachments, _ts, ...record } = item;
  // The tenant of a trail is part of its first record.
  return (record.format === undefined ? record : { ...record, tenant_id }) as unknown as AuditRecord;
}
