import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readHostJson } from "../../local/host/host-json.ts";
import { RouteTable } from "../../local/host/routes.ts";
import { parseSchedule } from "../../local/host/schedule.ts";
import { queuesFromConfig, queuesFromResources } from "../../local/service-bus/config.ts";
import { apiDocument } from "../../shared/http/api/routes.ts";
import { fakeFunction } from "../local/host/functions.ts";

/** What `func start` needs of the project, as far as it can be proved without Core Tools. */
const root = resolve(import.meta.dirname, "../..");
const readJson = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));
const sample = readJson("local.settings.sample.json") as {
  IsEncrypted: boolean;
  Values: Record<string, string>;
  Host: { LocalHttpPort: number };
};

interface Binding {
  readonly type: string;
  readonly route?: string;
  readonly methods?: readonly string[];
  readonly queueName?: string;
  readonly connection?: string;
  readonly schedule?: string;
}
interface Loaded {
  readonly files: string[];
  readonly type: string;
  readonly model: { name: string; version: string };
  readonly registered: { name: string; bindings: Record<string, Binding> }[];
}

/** The built app loaded as the worker does it, with the sample's settings and no others. */
async function load(changes: Record<string, string> = {}): Promise<Loaded> {
  const child = fork(join(import.meta.dirname, "worker-process.ts"), [], {
    cwd: root,
    execArgv: [],
    env: { PATH: process.env.PATH, ...sample.Values, ...changes },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const message = once(child, "message").then(([loaded]) => loaded as Loaded);
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`ended with ${code}: ${stderr}`);
  });
  try {
    return await Promise.race([message, ended]);
  } finally {
    ended.catch(() => undefined);
    child.kill("SIGKILL");
  }
}

describe("func start", () => {
  let loaded: Loaded;
  let triggers: (Binding & { name: string })[];
  beforeAll(async () => {
    loaded = await load();
    triggers = loaded.registered.flatMap(({ name, bindings }) =>
      Object.values(bindings)
        .filter(({ type }) => /trigger$/i.test(type))
        .map((binding) => ({ ...binding, name })),
    );
  });
  const of = (type: string) => triggers.filter((trigger) => trigger.type === type);

  it("loads the built app by package.json's main, which registers its functions with the v4 model", () => {
    expect(loaded.files).toEqual(["dist/functions/index.js"]);
    expect(loaded.model).toEqual({ name: "@azure/functions", version: expect.stringMatching(/^4\./) });
    expect(triggers).toHaveLength(loaded.registered.length);
    expect(new Set(triggers.map(({ name }) => name)).size).toBe(triggers.length);
  });

  it("routes are those of the OpenAPI document, below host.json's prefix", () => {
    const { routePrefix } = readHostJson(readFileSync(join(root, "host.json"), "utf8"), {});
    const served = of("httpTrigger")
      // One that takes all that is left is no route of the API.
      .filter(({ route }) => !/^\{\*\w+\}$/.test(route ?? ""))
      // Nor are the console's pages.
      .filter(({ route }) => !/^console\b/.test(route ?? ""))
      .flatMap(({ route, methods }) => {
        const path = [routePrefix, route].filter((part) => part !== "").join("/");
        // `{*name}` takes the rest of the path; OpenAPI has no word for that.
        return (methods ?? []).map((method) => `${method} /${path}`.replace("{*", "{"));
      });
    const { paths } = apiDocument();
    const documented = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(served.sort()).toEqual(documented.sort());
  });

  it("every function is reached: the host tries them in the order of their names", () => {
    const functions = triggers.map((trigger) => fakeFunction(trigger.name, { ...trigger, direction: "in" }));
    expect(new RouteTable(functions, "").unreachable()).toEqual([]);
  });

  it("queues are those of infra/resources.json and of the official emulator's Config.json", () => {
    const names = new Set(of("serviceBusTrigger").map(({ queueName }) => queueName?.replace(/\/\$.*$/, "")));
    const known = [
      queuesFromResources(readJson("infra/resources.json")),
      queuesFromConfig(readJson("infra/emulators/Config.json")),
    ].map((queues) => queues.map(({ name }) => name));
    for (const queues of known) expect(queues).toEqual(expect.arrayContaining([...names]));
    for (const { connection } of of("serviceBusTrigger"))
      expect(sample.Values).toHaveProperty(connection ?? "");
  });

  it("timers have a schedule, and the storage they need is in the settings", () => {
    expect(of("timerTrigger").length).toBeGreaterThan(0);
    for (const { name, schedule } of of("timerTrigger")) {
      expect(parseSchedule(name, schedule ?? "", "UTC").next(0)).toBeGreaterThan(0);
    }
    expect(sample.Values).toMatchObject({
      AzureWebJobsStorage: "UseDevelopmentStorage=true",
      FUNCTIONS_WORKER_RUNTIME: "node",
    });
  });

  it("the sample's addresses are where npm run emulators and docker compose listen, its port is npm start's", () => {
    expect(sample.IsEncrypted).toBe(false);
    expect(sample.Host.LocalHttpPort).toBe(7071);
    expect(sample.Values.SERVICEBUS).toContain("sb://127.0.0.1:5672;");
    expect(sample.Values.COSMOS).toContain("http://127.0.0.1:8081/");
  });

  it("host.json asks for the extension bundle that brings Service Bus and timers", () => {
    expect(readJson("host.json")).toMatchObject({
      version: "2.0",
      extensionBundle: { id: "Microsoft.Azure.Functions.ExtensionBundle", version: "[4.*, 5.0.0)" },
    });
  });

  it("a bad setting stops the load, and names itself", { timeout: 60_000 }, async () => {
    await expect(load({ LEASE_SECONDS: "soon" })).rejects.toThrow(/LEASE_SECONDS/);
  });
});
