import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { cpuMs, median, row } from "./measure.ts";

/**
 * A cold start of the built app: from the start of a host process, beside emulators that already serve, to its first
 * answered request. The local host stands where the platform's would; what the platform adds (a machine, the zip's
 * mount, the real host) is not in it.
 */
const STARTS = 7;
const KEY = "local-team-a";

const root = path.resolve(import.meta.dirname, "..");

interface Cold {
  readonly readyMs: number;
  readonly answeredMs: number;
  readonly cpu: number;
}

/** `pid` is a host process that runs: the new ones get its settings. */
export async function coldStarts(pid: number): Promise<void> {
  const env = environmentOf(pid);
  const all: Cold[] = [];
  for (let n = 0; n < STARTS; n++) all.push(await coldStart(env));
  const middle = (value: (cold: Cold) => number) => Math.round(median(all.map(value)));
  row(
    `cold start of the app: ms until it listens, median of ${STARTS}`,
    middle(({ readyMs }) => readyMs),
  );
  row(
    "cold start: ms from process start to the first answer",
    middle(({ answeredMs }) => answeredMs),
  );
  row(
    "cold start: CPU ms until then",
    middle(({ cpu }) => cpu),
  );
}

async function coldStart(env: NodeJS.ProcessEnv): Promise<Cold> {
  const from = performance.now();
  const child = fork(path.join(root, "dist/local/host/main.js"), [], { cwd: root, env, execArgv: [] });
  try {
    const port = await ready(child);
    const readyMs = performance.now() - from;
    const answer = await fetch(`http://127.0.0.1:${port}/api/models`, { headers: { "api-key": KEY } });
    await answer.text();
    if (!answer.ok) throw new Error(`the first request was answered ${answer.status}`);
    return { readyMs, answeredMs: performance.now() - from, cpu: cpuMs(child.pid ?? 0) };
  } finally {
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }
}

async function ready(child: ChildProcess): Promise<number> {
  for (;;) {
    const [message] = await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error("the host ended before it served"))),
    ]);
    const { ready: isReady, port } = message as { ready?: boolean; port?: number };
    if (isReady === true && port !== undefined) return port;
  }
}

function environmentOf(pid: number): NodeJS.ProcessEnv {
  const pairs = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
  const env = Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  // The parent's channel is not the child's.
  delete env.NODE_CHANNEL_FD;
  return { ...env, PORT: "0" };
}
