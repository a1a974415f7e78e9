import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { alive } from "./alive.ts";

const START = fileURLToPath(new URL("../../dist/local/start.js", import.meta.url));
const EMULATORS = fileURLToPath(new URL("../../dist/local/emulators.js", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const APP = join(ROOT, "test/fixtures/host-app");
const LOOK_MS = 20;

let folder: string;
let started: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "start-"));
  started = [];
});
afterEach(async () => {
  for (const child of started) child.kill("SIGKILL");
  for (const pid of [...processes().host, processes().emulators]) await gone(pid);
  rmSync(folder, { recursive: true, maxRetries: 5 });
});

interface Started {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** `npm start` without npm, on the fixture app, in a folder of its own. */
function start(args: string[] = [], env: Record<string, string> = {}, entry = START): Started {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: ROOT,
    env: {
      ...{ PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0", AZURITE_PORT: "0" },
      ...{
        DRAIN_SECONDS: "1",
        AzureWebJobsScriptRoot: APP,
        DATA_DIR: folder,
        FIXTURE_NOTES: join(folder, "notes"),
      },
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return { child, stdout: () => stdout, stderr: () => stderr };
}

async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The address it prints once it serves; fails with what it said instead when it ends. */
function ready({ child, stdout, stderr }: Started): Promise<string> {
  return until(() => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${stderr()}`);
    return /^ready (http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout())?.[1];
  });
}

function processes(): { host: number[]; emulators: number } {
  const file = join(folder, "processes.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { host: [], emulators: 0 };
}

const gone = (pid: number) => until(() => !alive(pid));

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.status === 200,
    () => false,
  );
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

describe("npm start", () => {
  it("serves, starts again what dies on the same ports, and leaves nothing behind", async () => {
    const port = await freePort();
    const stack = start([], { SERVICEBUS_PORT: String(port) });
    const url = await ready(stack);
    const before = processes();
    expect(before).toEqual({ host: [expect.any(Number)], emulators: expect.any(Number) });

    const [host = 0] = before.host;
    process.kill(host, "SIGKILL");
    await until(() => processes().host.some((pid) => pid !== host));
    await until(() => answers(`${url}/api/health`));
    process.kill(before.emulators, "SIGKILL");
    await until(() => processes().emulators !== before.emulators && processes().emulators > 0);

    // The host finds the new Service Bus by itself.
    await until(() => accepts(port));
    const client = new ServiceBusClient(
      `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true`,
    );
    await client.createSender("nudges").sendMessages({ body: { hello: 1 } });
    await client.close();
    await until(
      () =>
        existsSync(join(folder, "notes")) && readFileSync(join(folder, "notes"), "utf8").includes("worked"),
    );

    const after = processes();
    stack.child.kill("SIGTERM");
    expect(await once(stack.child, "exit")).toEqual([0, null]);
    for (const pid of [...after.host, after.emulators]) expect(alive(pid)).toBe(false);
    expect(existsSync(join(folder, "processes.json"))).toBe(false);
    expect(stack.stderr()).toBe("");
  });

  it("shares one port between hosts; a frozen one keeps no more than one connection; nobody else has the folder", async () => {
    const stack = start(["--instances", "2"], { FIXTURE_QUEUES: "off" });
    const url = await ready(stack);
    const { host } = processes();
    expect(host).toHaveLength(2);
    const second = start();
    const ask = async () => {
      const response = await fetch(`${url}/api/echo/1`, { headers: { connection: "close" } });
      return ((await response.json()) as { pid: number }).pid;
    };
    expect(new Set([await ask(), await ask(), await ask(), await ask()])).toEqual(new Set(host));
    const [frozen = 0, other = 0] = host;
    process.kill(frozen, "SIGSTOP");
    const asked = Array.from({ length: 6 }, ask).map((answer) => answer.catch(() => 0));
    const answered = await until(async () => {
      const now = await Promise.all(asked.map((answer) => Promise.race([answer, undefined])));
      return now.filter((pid) => pid === other).length >= 5 && now;
    });
    expect(answered.filter((pid) => pid === other).length).toBeGreaterThanOrEqual(5);
    process.kill(frozen, "SIGKILL");
    // The one that the frozen host had is broken off, not left open.
    expect((await Promise.all(asked)).sort()).toEqual([0, other, other, other, other, other].sort());
    await until(() => processes().host.length === 2 && !processes().host.includes(frozen));
    if (second.child.exitCode === null) await once(second.child, "close");
    expect(second.child.exitCode).toBe(1);
    expect(second.stderr()).toContain(`in use by process ${stack.child.pid} (start)`);
    stack.child.kill("SIGINT");
    expect(await once(stack.child, "exit")).toEqual([0, null]);
  });

  it("runs a timer once over all hosts, and again when the host that runs it is killed in the middle", {
    timeout: 90_000,
  }, async () => {
    const stack = start(["--instances", "2"], {
      FIXTURE_QUEUES: "off",
      FIXTURE_TIMER: "* * * * * *",
      FIXTURE_TIMER_MS: "400",
    });
    await ready(stack);
    const notes = () =>
      readFileSync(join(folder, "notes"), "utf8")
        .split("\n")
        .filter((line) => line.endsWith("}"))
        .map((line) => JSON.parse(line) as Note);
    interface Note {
      pid: number;
      fn: string;
      scheduleStatus?: { next: string };
    }
    const ticks = () => notes().filter(({ fn }) => fn === "tick");
    await until(() => existsSync(join(folder, "notes")) && ticks().length >= 2);
    const begun = ticks().length;
    await until(() => ticks().length > begun);
    const killed = ticks().at(-1);
    process.kill(killed?.pid ?? 0, "SIGKILL");
    const before = notes().length;
    const after = () => notes().slice(before);
    await until(() => after().filter(({ fn, pid }) => fn === "ticked" && pid !== killed?.pid).length >= 2);
    const times = ticks().map(({ scheduleStatus }) => scheduleStatus?.next);
    expect(new Set(times).size).toBe(times.length);
    // No run began while another was on: each is followed by its own end, but for the one that was killed.
    const order = notes().filter(({ fn, pid }) => fn.startsWith("tick") && pid !== killed?.pid);
    for (const [n, { fn, pid }] of order.entries()) {
      if (fn === "ticked") expect(order[n - 1]).toMatchObject({ fn: "tick", pid });
    }
  });

  it("leaves no process behind when it is killed", async () => {
    const stack = start();
    await ready(stack);
    const { host, emulators } = processes();
    stack.child.kill("SIGKILL");
    for (const pid of [...host, emulators]) await gone(pid);
    expect(host).toHaveLength(1);
  });

  it("ends with the faults when the app cannot be configured", async () => {
    const stack = start([], { FIXTURE_FAULT: "MODELS_FILE is missing" });
    expect(await once(stack.child, "close")).toEqual([1, null]);
    expect(stack.stderr()).toContain("The configuration has 1 fault(s):\n  - MODELS_FILE is missing\n");
    expect(processes()).toEqual({ host: [], emulators: 0 });
  });

  it("names the setting of a port that is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    for (const name of ["PORT", "SERVICEBUS_PORT"]) {
      const stack = start([], { [name]: String(port), FIXTURE_QUEUES: "off" });
      expect(await once(stack.child, "close")).toEqual([1, null]);
      expect(stack.stderr()).toContain(`Port ${port} of 127.0.0.1 is taken: set ${name} `);
    }
    other.close();
  });

  it.each([
    [["--help"], 0, ""],
    [["--instance", "2"], 1, "--instance"],
    [["--instances", "0"], 1, "--instances must be 1 to 64"],
    [["more"], 1, "more"],
  ])("takes %s as it should", async (args, code, text) => {
    const stack = start(args);
    expect(await once(stack.child, "close")).toEqual([code, null]);
    expect(stack.stderr()).toContain(text);
    if (code === 0) expect(stack.stdout()).toContain("--instances N");
  });
});

describe("npm run emulators", () => {
  it("says where they are, Azurite too, and ends cleanly", async () => {
    const { child, stdout } = start([], {}, EMULATORS);
    const url = await until(() => /^Cosmos DB +(http:\/\/127\.0\.0\.1:\d+\/)$/m.exec(stdout())?.[1]);
    expect((await fetch(url)).status).toBe(401);
    await until(() => /^Service Bus +sb:\/\/127\.0\.0\.1:\d+$/m.test(stdout()));
    const blobs = await until(
      () => /^Azurite +AzureWebJobsStorage=.*BlobEndpoint=[^;]*:(\d+)\//m.exec(stdout())?.[1],
    );
    expect(await accepts(Number(blobs))).toBe(true);
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(await accepts(Number(blobs))).toBe(false);
  });

  it("take Azurite with them when they are killed", async () => {
    const { child, stdout } = start([], {}, EMULATORS);
    const blobs = await until(() => /BlobEndpoint=[^;]*:(\d+)\//.exec(stdout())?.[1]);
    child.kill("SIGKILL");
    await until(async () => !(await accepts(Number(blobs))));
  });
});
