import type { Socket } from "node:net";
import { FREEZE_AFTER_MS } from "./freezer.ts";
import { type Host, type HostOptions, startHost } from "./host.ts";

/**
 * A Functions host process: loads the app of the working folder (or AzureWebJobsScriptRoot), serves it on PORT, tells
 * its parent `{ready: true, port}`. SIGTERM, SIGINT and the parent's death drain and end it.
 *
 * `{ready: true}` names the app's function groups as well. With HOST_FREEZE (`drain` or `hard`) an idle process says
 * `{frozen: true}` and stops itself, and `{frozen: false}` when it was continued.
 *
 * The parent may hand it connections of another port as `{connection: id}`, each with its socket; the answer is
 * `{taken: id}`, or `{refused: id}` when it takes none any more.
 */
const DEFAULT_PORT = 7071;
/** Long enough for a model call that is nearly done, short enough for a developer who waits. */
const DEFAULT_DRAIN_SECONDS = 10;

const { env } = process;
let host: Host | undefined;
let ending = false;

async function main(): Promise<void> {
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("SIGHUP", end);
  process.on("disconnect", end);
  process.on("message", take);
  host = await startHost({
    root: env.AzureWebJobsScriptRoot ?? process.cwd(),
    env,
    port: Number(env.PORT ?? DEFAULT_PORT),
    ...(env.HOST_FREEZE === undefined ? {} : { freeze: freezing(env.HOST_FREEZE) }),
  });
  const { log, port, groups } = host;
  process.on("exit", () => log.flush());
  if (ending) await drain(host);
  else process.send?.({ ready: true, port, groups });
}

function freezing(mode: string): NonNullable<HostOptions["freeze"]> {
  return {
    mode: mode === "hard" ? "hard" : "drain",
    afterMs: FREEZE_AFTER_MS * Number(env.FREEZE_TIME_SCALE ?? 1),
    // Where the parent is gone nobody would continue this process: then it is about to end.
    tell: (message, then) => process.send?.(message, () => then?.()),
    stopSelf: () => {
      if (process.connected) process.kill(process.pid, "SIGSTOP");
    },
  };
}

function end(): void {
  if (ending) return;
  ending = true;
  cutLater();
  // A host that has not started has nothing to drain; main() does it then.
  if (host !== undefined) void drain(host);
}

function take({ connection }: { connection?: number }, socket: Socket | undefined): void {
  if (connection === undefined) return;
  const taking = !ending && host !== undefined;
  process.send?.(taking ? { taken: connection } : { refused: connection });
  // The client may have gone while its connection was on the way.
  if (taking && socket !== undefined) host?.accept(socket);
  else socket?.destroy();
}

async function drain(started: Host): Promise<void> {
  try {
    await started.drain(seconds("DRAIN_SECONDS", DEFAULT_DRAIN_SECONDS) * 1000);
    process.exit(0);
  } catch (thrown) {
    process.stderr.write(`The host did not end cleanly: ${describe(thrown)}\n`);
    process.exit(1);
  }
}

/** Cuts invocations as Flex Consumption does on scale-in, after 1 to 3 s (azure-functions-host#12007). */
function cutLater(): void {
  if (env.HOST_CUT_SECONDS === undefined) return;
  setTimeout(() => process.exit(0), seconds("HOST_CUT_SECONDS", 0) * 1000);
}

function seconds(name: string, fallback: number): number {
  const value = Number(env[name] ?? fallback);
  return Number.isFinite(value) && value >= 0 ? value : fallback;
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    return `Port ${env.PORT ?? DEFAULT_PORT} of 127.0.0.1 is taken: set PORT to another one (0 takes a free one).`;
  }
  return thrown.message;
}

main().catch((thrown) => {
  process.stderr.write(`${describe(thrown)}\n`);
  process.exit(1);
});
