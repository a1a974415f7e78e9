import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Child, type ReadyMessage, StartFailed } from "../../../local/stack/child.ts";

let folder: string;
let children: Child[];
let pids: (number | undefined)[];
let logged: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "child-"));
  [children, pids, logged] = [[], [], []];
});
afterEach(() => {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true });
});

/** A child that runs `script`; `known` is handed to it as its argument. */
function childOf(script: string): Child {
  const file = join(folder, "child.mjs");
  writeFileSync(file, script);
  const log = { write: (_: string, __: string, text: string) => logged.push(text), flush: () => undefined };
  const child: Child = new Child({
    name: "it",
    spawn: (known: ReadyMessage | undefined) => fork(file, [String(known?.port ?? 0)], { execArgv: [] }),
    log,
    onChange: () => pids.push(children[0]?.pid),
  });
  children.push(child);
  return child;
}

/** Waits for a line in the log that contains `text`. */
async function said(text: string): Promise<void> {
  while (!logged.some((line) => line.includes(text))) await new Promise((resolve) => setTimeout(resolve, 5));
}

const SERVES =
  "process.send({ ready: true, port: Number(process.argv[2]) || 4711 }); setInterval(() => {}, 1000);";

it("is started again when it dies, and told what it was before", async () => {
  const child = childOf(SERVES);
  expect(await child.start()).toEqual({ ready: true, port: 4711 });
  const first = child.pid ?? 0;
  process.kill(first, "SIGKILL");
  await said("serves again");
  expect(child.pid).not.toBe(first);
  expect(pids).toEqual([first, undefined, child.pid]);
  await child.stop((process) => process.kill("SIGTERM"), 5_000);
  expect(child.pid).toBeUndefined();
  expect(logged.filter((line) => line.includes("died"))).toHaveLength(1);
});

it("waits longer and longer for one that dies at once again and again", async () => {
  const child = childOf(`${SERVES} setTimeout(() => process.exit(3), 1);`);
  await child.start();
  await said("in 200 ms");
  expect(logged.filter((line) => line.includes("in 0 ms"))).toHaveLength(1);
});

it("is given up when it ends by itself before it was ever ready", async () => {
  await expect(childOf("process.exit(1)").start()).rejects.toThrow(StartFailed);
});

it("is killed when it does not end in time", async () => {
  const child = childOf(`process.on("SIGTERM", () => {}); ${SERVES}`);
  await child.start();
  await child.stop((process) => process.kill("SIGTERM"), 20);
  expect(child.pid).toBeUndefined();
});
