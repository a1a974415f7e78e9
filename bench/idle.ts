import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { coldStarts } from "./cold-start.ts";
import { cpuMs, head, median, row } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * What the local stack costs when nobody uses it: how soon the emulators serve, how soon the whole stack does, and the
 * CPU each takes while idle. Linux only: CPU time is from /proc, in ticks of 10 ms.
 */
const STARTS = 5;
const SETTLE_MS = 5_000;
const IDLE_MS = 20_000;

const root = path.resolve(import.meta.dirname, "..");

head("measure", "value");
const starts: Start[] = [];
for (let n = 0; n < STARTS; n++) starts.push(await startEmulators());
row(
  `emulators: ms until they serve, median of ${STARTS}`,
  middle(starts, ({ readyMs }) => readyMs),
);
row(
  "emulators: CPU ms until they serve",
  middle(starts, ({ cpu }) => cpu),
);

const startedAt = performance.now();
const stack = await Stack.start();
try {
  row("the whole stack, one host: ms until it is ready", Math.round(performance.now() - startedAt));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = stack.cpu();
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const after = stack.cpu();
  row("idle: CPU of the emulators, % of a core", percent(after.emulators - before.emulators));
  row("idle: CPU of the host, % of a core", percent(after.app - before.app));
  await coldStarts(stack.hostPid());
} finally {
  await stack.stop();
}

interface Start {
  readonly readyMs: number;
  readonly cpu: number;
}

/** Starts the emulators as `npm start` does, in an empty folder, and ends them. */
async function startEmulators(): Promise<Start> {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-"));
  const ports = { SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" };
  const from = performance.now();
  const child = fork(path.join(root, "dist/local/emulators.js"), [], {
    cwd: root,
    env: { ...process.env, ...ports, DATA_DIR: folder },
    execArgv: [],
  });
  const exited = once(child, "exit");
  await Promise.race([
    once(child, "message"),
    exited.then(() => Promise.reject(new Error("the emulators ended"))),
  ]);
  const start = { readyMs: performance.now() - from, cpu: cpuMs(child.pid ?? 0) };
  child.send({ stop: true });
  await exited;
  rmSync(folder, { recursive: true });
  return start;
}

function middle(all: readonly Start[], value: (start: Start) => number): number {
  return Math.round(median(all.map(value)));
}

function percent(ms: number): string {
  return ((ms * 100) / IDLE_MS).toFixed(2);
}
