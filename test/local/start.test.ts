import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePort } from "../free-port.ts";
import { alive } from "./alive.ts";
import { accepts, EMULATORS, end, gone, ready, Stacks, send, until } from "./stacks.ts";

const stacks = new Stacks();

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.status === 200,
    () => false,
  );
}

describe("npm start", () => {
  it("serves, starts again what dies on the same ports, and leaves nothing behind", {
    tags: ["long"],
  }, async () => {
    const port = await freePort();
    const stack = stacks.start([], { SERVICEBUS_PORT: String(port) });
    const url = await ready(stack);
    const before = stacks.processes();
    expect(before).toEqual({ host: [expect.any(Number)], emulators: expect.any(Number) });

    const [host = 0] = before.host;
    process.kill(host, "SIGKILL");
    await until(() => stacks.processes().host.some((pid) => pid !== host));
    await until(() => answers(`${url}/api/health`));
    process.kill(before.emulators, "SIGKILL");
    await until(() => stacks.processes().emulators !== before.emulators && stacks.processes().emulators > 0);

    // The host finds the new Service Bus by itself.
    await until(() => accepts(port));
    await send(port, { hello: 1 });
    await until(() => stacks.of("worked").length > 0);

    const after = stacks.processes();
    expect(await end(stack, "SIGTERM")).toBe(0);
    for (const pid of [...after.host, after.emulators]) expect(alive(pid)).toBe(false);
    expect(existsSync(join(stacks.folder, "processes.json"))).toBe(false);
    expect(stack.stderr()).toBe("");
  });

  it("shares one port between hosts; a frozen one keeps no more than one connection; nobody else has the folder", {
    tags: ["long"],
  }, async () => {
    const stack = stacks.start(["--instances", "2"], { FIXTURE_QUEUES: "off" });
    const url = await ready(stack);
    const { host } = stacks.processes();
    expect(host).toHaveLength(2);
    const second = stacks.start();
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
    await until(() => stacks.processes().host.length === 2 && !stacks.processes().host.includes(frozen));
    if (second.child.exitCode === null) await once(second.child, "close");
    expect(second.child.exitCode).toBe(1);
    expect(second.stderr()).toContain(`in use by process ${stack.child.pid} (start)`);
    expect(await end(stack, "SIGINT")).toBe(0);
  });

  it("runs a timer once over all hosts, and again when the host that runs it is killed in the middle", {
    timeout: 90_000,
    tags: ["long"],
  }, async () => {
    const stack = stacks.start(["--instances", "2"], {
      FIXTURE_QUEUES: "off",
      FIXTURE_TIMER: "* * * * * *",
      FIXTURE_TIMER_MS: "400",
    });
    await ready(stack);
    const ticks = () => stacks.of("tick");
    await until(() => ticks().length >= 2);
    const begun = ticks().length;
    await until(() => ticks().length > begun);
    const killed = ticks().at(-1);
    process.kill(killed?.pid ?? 0, "SIGKILL");
    const before = stacks.notes().length;
    const after = () => stacks.notes().slice(before);
    await until(() => after().filter(({ fn, pid }) => fn === "ticked" && pid !== killed?.pid).length >= 2);
    const times = ticks().map(({ scheduleStatus }) => scheduleStatus?.next);
    expect(new Set(times).size).toBe(times.length);
    // No run began while another was on: each is followed by its own end, but for the one that was killed.
    const order = stacks.notes().filter(({ fn, pid }) => fn.startsWith("tick") && pid !== killed?.pid);
    for (const [n, { fn, pid }] of order.entries()) {
      if (fn === "ticked") expect(order[n - 1]).toMatchObject({ fn: "tick", pid });
    }
  });

  it("leaves no process behind when it is killed", { tags: ["long"] }, async () => {
    const stack = stacks.start();
    await ready(stack);
    const { host, emulators } = stacks.processes();
    stack.child.kill("SIGKILL");
    for (const pid of [...host, emulators]) await gone(pid);
    expect(host).toHaveLength(1);
  });

  it("ends with the faults when the app cannot be configured", async () => {
    const stack = stacks.start([], { FIXTURE_FAULT: "MODELS_FILE is missing" });
    expect(await once(stack.child, "close")).toEqual([1, null]);
    expect(stack.stderr()).toContain("The configuration has 1 fault(s):\n  - MODELS_FILE is missing\n");
    expect(stacks.processes()).toEqual({ host: [], emulators: 0 });
  });

  it("tells keys, models and what to open before it says that it is ready", async () => {
    const stack = stacks.start([], { FIXTURE_QUEUES: "off" });
    const url = await ready(stack);
    const lines = stack.stdout().split("\n");
    const banner = lines.filter((line) => line !== "" && !line.startsWith("{"));
    expect(banner[0]).toMatch(/^Keys +local-team-a, local-team-b, local-operator$/);
    expect(banner[1]).toMatch(
      /^Models +gpt-sim, grok-sim, deepseek-sim, claude-sim, embed-sim, any-lab, every-lab$/,
    );
    expect(banner.join("\n")).toContain(`${url}/api/openapi.json`);
    expect(banner.at(-1)).toBe(`ready ${url}`);
    // Whatever else is written is one flat JSON object a line.
    for (const line of lines.filter((each) => each.startsWith("{"))) {
      const fields = Object.entries(JSON.parse(line) as object);
      expect(fields.map(([name]) => name)).toEqual(
        expect.arrayContaining(["time", "level", "instance", "event"]),
      );
      expect(fields.filter(([, value]) => typeof value === "object" && value !== null)).toEqual([]);
    }
  });

  it("ends with one sentence when its folder is deleted under it, and leaves no process", async () => {
    const stack = stacks.start([], { FIXTURE_QUEUES: "off", DATA_DIR: join(stacks.folder, "data") });
    await ready(stack);
    const { host, emulators } = JSON.parse(readFileSync(join(stacks.folder, "data/processes.json"), "utf8"));
    const ended = once(stack.child, "close");
    rmSync(join(stacks.folder, "data"), { recursive: true });
    expect(await ended).toEqual([1, null]);
    expect(stack.stderr()).toMatch(/^DATA_DIR \S+ was deleted while it was in use: [^\n]*\n$/);
    for (const pid of [...host, emulators]) await gone(pid);
  });

  it("ends with one sentence when an account that it is given cannot be reached", async () => {
    const port = await freePort();
    const stack = stacks.start([], { COSMOS: `AccountEndpoint=http://127.0.0.1:${port}/;AccountKey=k` });
    expect(await once(stack.child, "close")).toEqual([1, null]);
    expect(stack.stderr()).toMatch(
      /^COSMOS names 127\.0\.0\.1:\d+, which cannot be reached \(ECONNREFUSED\): [^\n]*\n$/,
    );
    expect(stack.stdout()).toBe("");
  });

  it("names the setting of a port that is taken", { tags: ["long"] }, async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    for (const name of ["PORT", "SERVICEBUS_PORT"]) {
      const stack = stacks.start([], { [name]: String(port), FIXTURE_QUEUES: "off" });
      expect(await once(stack.child, "close")).toEqual([1, null]);
      expect(stack.stderr()).toContain(`Port ${port} of 127.0.0.1 is taken: set ${name} `);
    }
    other.close();
  });

  it.each([
    [["--help"], 0, ""],
    [["--instance", "2"], 1, "--instance"],
    [["--freeze"], 1, "--freeze needs --split"],
    [["more"], 1, "more"],
  ])("takes %s as it should", async (args, code, text) => {
    const stack = stacks.start(args);
    expect(await once(stack.child, "close")).toEqual([code, null]);
    expect(stack.stderr()).toContain(text);
    if (code === 0) expect(stack.stdout()).toContain("--instances N");
  });
});

describe("npm run emulators", () => {
  it("says where they are, Azurite too, and ends cleanly", { tags: ["long"] }, async () => {
    const { child, stdout } = stacks.start([], {}, EMULATORS);
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
    const { child, stdout } = stacks.start([], {}, EMULATORS);
    const blobs = await until(() => /BlobEndpoint=[^;]*:(\d+)\//.exec(stdout())?.[1]);
    child.kill("SIGKILL");
    await until(async () => !(await accepts(Number(blobs))));
  });
});
