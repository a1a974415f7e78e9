import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { alive } from "../alive.ts";

const MAIN = fileURLToPath(new URL("../../../local/host/main.ts", import.meta.url));
const APP = fileURLToPath(new URL("../../fixtures/host-app", import.meta.url));

let folder: string;
let started: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "host-"));
  started = [];
});
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function envOf(extra: Record<string, string> = {}): Record<string, string> {
  const notes = join(folder, "notes");
  return {
    ...extra,
    AzureWebJobsScriptRoot: APP,
    DATA_DIR: folder,
    FIXTURE_NOTES: notes,
    PORT: extra.PORT ?? "0",
  };
}

/** A host process on the fixture app; `stderr` grows while it lives. */
function host(extra: Record<string, string> = {}): { child: ChildProcess; stderr: () => string } {
  const child = fork(MAIN, [], {
    env: envOf(extra),
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  started.push(child);
  let stderr = "";
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  return { child, stderr: () => stderr };
}

async function ready(child: ChildProcess): Promise<number> {
  const [message] = (await once(child, "message")) as [{ ready: true; port: number }];
  expect(message).toMatchObject({ ready: true, port: expect.any(Number) });
  return message.port;
}

const notes = () =>
  readFileSync(join(folder, "notes"), "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : (JSON.parse(line) as { fn: string }).fn))
    .filter((fn) => fn !== "started");

it("drains on SIGTERM: calls appTerminate, answers what it has begun, takes nothing new, exits with 0", async () => {
  const { child } = host();
  const port = await ready(child);
  const slow = fetch(`http://127.0.0.1:${port}/api/slow/until-the-end`);
  // Only once the slow request is with the function is there something to drain.
  await fetch(`http://127.0.0.1:${port}/api/health`);
  child.kill("SIGTERM");
  expect(await (await slow).text()).toBe("done");
  expect(await once(child, "exit")).toEqual([0, null]);
  await expect(fetch(`http://127.0.0.1:${port}/api/health`)).rejects.toThrow();
  // The hook is called at once: what it hands back need not wait for the end.
  expect(notes()).toEqual(["slow", "terminating", "terminated", "slept"]);
});

it("waits no longer than DRAIN_SECONDS, and cuts after HOST_CUT_SECONDS as the cloud does", async () => {
  for (const name of ["DRAIN_SECONDS", "HOST_CUT_SECONDS"]) {
    const { child } = host({ [name]: "0" });
    const port = await ready(child);
    const slow = fetch(`http://127.0.0.1:${port}/api/slow/60000`).then(
      () => "answered",
      () => "cut",
    );
    await fetch(`http://127.0.0.1:${port}/api/health`);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(await slow).toBe("cut");
  }
});

it("gives appTerminate its time though there is nothing to drain, and is cut by HOST_CUT_SECONDS all the same", async () => {
  const [patient, cut] = [
    host({ DRAIN_SECONDS: "0", FIXTURE_TERMINATE_MS: "300" }).child,
    host({ HOST_CUT_SECONDS: "0", FIXTURE_TERMINATE_MS: "60000" }).child,
  ];
  for (const [child, ended] of [
    [patient, ["terminating", "terminated"]],
    [cut, ["terminating", "terminated", "terminating"]],
  ] as const) {
    await ready(child);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(notes()).toEqual(ended);
  }
});

it("does not start on a fault in the configuration, and says it plainly", async () => {
  const { child, stderr } = host({ FIXTURE_FAULT: "LEASE_SECONDS must be a number" });
  expect(await once(child, "close")).toEqual([1, null]);
  expect(stderr()).toBe("The configuration has 1 fault(s):\n  - LEASE_SECONDS must be a number\n");
});

it("names the setting when its port is taken", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const { child, stderr } = host({ PORT: String(port) });
  expect(await once(child, "close")).toEqual([1, null]);
  expect(stderr()).toContain(`Port ${port} of 127.0.0.1 is taken: set PORT`);
  other.close();
});

it("ends when its parent is killed", async () => {
  const script = join(folder, "parent.mjs");
  writeFileSync(
    script,
    `import { fork } from "node:child_process";
     const child = fork(${JSON.stringify(MAIN)}, [], { env: ${JSON.stringify(envOf())}, stdio: ["ignore", "ignore", "ignore", "ipc"] });
     child.on("message", ({ port }) => console.log(JSON.stringify({ pid: child.pid, port })));`,
  );
  const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  started.push(parent);
  const [line] = await once(parent.stdout, "data");
  const { pid } = JSON.parse(String(line)) as { pid: number };
  parent.kill("SIGKILL");
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
});
