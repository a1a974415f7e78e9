import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";

export interface StackProcess {
  /** http://127.0.0.1:PORT */
  readonly base: string;
  /** Rejects if the stack ends before it is told to. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

const READY_PATIENCE_MS = 90_000;
/** The stack's own patience with its processes, and some more. */
const STOP_PATIENCE_MS = 20_000;
/** What of the stack's own words is shown when it fails. */
const SHOWN_LOG_CHARS = 4_000;

/** Settings that would lead the demo to accounts, queues or models of the user's own. */
const NOT_INHERITED = /^(SERVICEBUS|COSMOS)(__|_CONFIG|$)|^(MODELS_FILE|TENANTS_FILE)$/;

/** The stack's environment: the user's, without what leads out of the folder, on free ports. */
export function stackEnv(
  env: NodeJS.ProcessEnv,
  files: { readonly dataDir: string; readonly modelsFile: string; readonly tenantsFile: string },
): NodeJS.ProcessEnv {
  const inherited = Object.entries(env).filter(([name]) => !NOT_INHERITED.test(name));
  return {
    ...Object.fromEntries(inherited),
    PORT: "0",
    SERVICEBUS_PORT: "0",
    COSMOS_PORT: "0",
    MODEL_ENDPOINTS_PORT: "0",
    DATA_DIR: files.dataDir,
    MODELS_FILE: files.modelsFile,
    TENANTS_FILE: files.tenantsFile,
    // The stack looks after the end of its parent when npm has started it, and the demo is such a parent.
    npm_lifecycle_event: "demo",
  };
}

/** Starts `entry` in `root` and waits until it is ready. Its log goes to `logFile`. Rejects with its last words. */
export async function startStack(options: {
  readonly entry: string;
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly signal: AbortSignal;
}): Promise<StackProcess> {
  const child = spawn(process.execPath, [options.entry], {
    cwd: options.root,
    env: options.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log = createWriteStream(options.logFile);
  let said = "";
  let stopping = false;
  const exited = once(child, "exit");
  const failed = exited.then(([code, signal]) => {
    if (stopping) return new Promise<never>(() => undefined);
    throw new Error(`The stack ended (${signal ?? `exit code ${code}`}):\n${said.slice(-SHOWN_LOG_CHARS)}`);
  });
  // A caller that races against it hears of it. Until then it must not be an unhandled rejection.
  failed.catch(() => undefined);

  const ready = new Promise<string>((resolve) => {
    const listen = (text: string) => {
      said = (said + text).slice(-2 * SHOWN_LOG_CHARS);
      log.write(text);
      const base = /^ready (http:\/\/\S+)$/m.exec(said)?.[1];
      if (base !== undefined) resolve(base);
    };
    child.stdout?.setEncoding("utf8").on("data", listen);
    child.stderr?.setEncoding("utf8").on("data", listen);
  });
  const stop = async () => {
    stopping = true;
    await stopChild(child, exited);
    log.end();
    // Whoever stops it may take the folder away at once.
    await finished(log);
  };
  const timer = new AbortController();
  const late = after(READY_PATIENCE_MS, timer.signal).then(() => {
    throw new Error(
      `The stack was not ready within ${READY_PATIENCE_MS / 1000} s:\n${said.slice(-SHOWN_LOG_CHARS)}`,
    );
  });
  const aborted = once(options.signal, "abort", { signal: timer.signal }).then(() => {
    throw options.signal.reason;
  });
  for (const each of [late, aborted]) each.catch(() => undefined);
  try {
    options.signal.throwIfAborted();
    return { base: await Promise.race([ready, failed, late, aborted]), failed, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  } finally {
    timer.abort();
  }
}

async function stopChild(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_PATIENCE_MS);
  await exited;
  clearTimeout(timer);
}

/** Rejects when `signal` aborts first. */
function after(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** The compiled stack of the project in `root`. */
export const stackEntry = (root: string): string => join(root, "dist", "local", "start.js");
