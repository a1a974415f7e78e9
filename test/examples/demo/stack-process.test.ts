import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { accountsOfOnesOwn, simulatedOnly } from "../../../examples/demo/simulated-models.ts";
import { stackEnv, startStack } from "../../../examples/demo/stack-process.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "demo-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(script: string, signal = new AbortController().signal) {
  const entry = join(folder, "start.mjs");
  writeFileSync(entry, script);
  return startStack({ entry, root: folder, env: process.env, logFile: join(folder, "stack.log"), signal });
}

const READY = 'console.log("ready http://127.0.0.1:7071"); setInterval(() => {}, 1e6);';

describe("the stack's process", () => {
  it("is ready when it says so, and ends when it is told to", async () => {
    const stack = await start(`console.log("starting"); ${READY}`);
    expect(stack.base).toBe("http://127.0.0.1:7071");
    await stack.stop();
    await stack.stop();
    expect(readFileSync(join(folder, "stack.log"), "utf8")).toContain("starting");
  });

  it("gives its last words when it ends before it is ready", async () => {
    await expect(start('console.error("port 1 is taken"); process.exitCode = 3;')).rejects.toThrow(
      /exit code 3[\s\S]*port 1 is taken/,
    );
  });

  it("is noticed when it dies later", async () => {
    const stack = await start(
      `${READY} process.stdin; setImmediate(() => process.kill(process.pid, "SIGKILL"));`,
    );
    await expect(stack.failed).rejects.toThrow("SIGKILL");
    await stack.stop();
  });

  it("is ended when the demo is interrupted while it starts", async () => {
    const ending = new AbortController();
    const starting = start("setInterval(() => {}, 1e6);", ending.signal);
    ending.abort(new Error("Ended by SIGINT."));
    await expect(starting).rejects.toThrow("Ended by SIGINT.");
  });
});

it("gives the stack free ports and files of its own, and nothing that leads elsewhere", () => {
  const env = stackEnv(
    {
      PATH: "/bin",
      SERVICEBUS: "Endpoint=sb://mine/",
      COSMOS__accountEndpoint: "https://mine/",
      SERVICEBUS_CONFIG: "mine.json",
      MODELS_FILE: "mine.json",
      PORT: "7071",
    },
    { dataDir: "/d", modelsFile: "/m", tenantsFile: "/t" },
  );
  expect(env).toMatchObject({
    PATH: "/bin",
    PORT: "0",
    DATA_DIR: "/d",
    MODELS_FILE: "/m",
    TENANTS_FILE: "/t",
  });
  for (const name of ["SERVICEBUS", "COSMOS__accountEndpoint", "SERVICEBUS_CONFIG"])
    expect(env).not.toHaveProperty(name);
});

it("leaves only simulated deployments in the catalogue, and the routes over them", () => {
  const catalogue = {
    deployments: [{ name: "sim", simulated: true }, { name: "real" }],
    routes: [
      { targets: [{ deployment: "sim" }] },
      { targets: [{ deployment: "sim" }, { deployment: "real" }] },
    ],
  };
  expect(simulatedOnly(catalogue)).toEqual({
    deployments: [{ name: "sim", simulated: true }],
    routes: [{ targets: [{ deployment: "sim" }] }],
  });
  expect(() => simulatedOnly({ deployments: [{ name: "real" }] })).toThrow("no simulated deployment");
});

it("notices accounts of one's own in local.settings.json, but no copies of the sample's", () => {
  const sample = { SERVICEBUS: "Endpoint=sb://127.0.0.1", COSMOS: "local" };
  expect(accountsOfOnesOwn({ ...sample, COSMOS__accountEndpoint: "", LEASE_SECONDS: "3" }, sample)).toEqual(
    [],
  );
  expect(accountsOfOnesOwn({ SERVICEBUS: "Endpoint=sb://mine", COSMOS: "local" }, sample)).toEqual([
    "SERVICEBUS",
  ]);
});
