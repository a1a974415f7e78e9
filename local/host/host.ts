import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import type { Env } from "./app-settings.ts";
import type { RegisteredFunction } from "./core-api.ts";
import { Freezer, type FreezerOptions } from "./freezer.ts";
import { type FunctionGroup, groupsOf, targeted } from "./function-groups.ts";
import { readHostJson } from "./host-json.ts";
import { createHostLog, type HostLog } from "./host-log.ts";
import { homePageOf } from "./hosts-own.ts";
import { startHttpServer } from "./http-server.ts";
import { Invoker, runHooks } from "./invocation.ts";
import { InvocationIds } from "./invocation-ids.ts";
import { loadApp } from "./load-app.ts";
import { RouteTable } from "./routes.ts";
import { TERMINATE_GRACE_MS } from "./termination.ts";
import { startTriggers } from "./triggers.ts";

export interface HostOptions {
  /** The app's folder: host.json and package.json are in it. */
  readonly root: string;
  readonly env: Env;
  readonly port: number;
  /** How to freeze this process when it is idle; undefined: it stays awake. */
  readonly freeze?: Omit<FreezerOptions, "invoker" | "triggers" | "clock">;
}

export interface Host {
  readonly port: number;
  /** The groups that the app's functions scale by. */
  readonly groups: readonly FunctionGroup[];
  readonly log: HostLog;
  /** Serves a connection that another process has accepted. */
  accept(socket: Socket): void;
  /**
   * Takes nothing new, calls the app's `appTerminate` hooks, waits up to `withinMs` for what runs, closes. True if
   * nothing had to be cut.
   */
  drain(withinMs: number): Promise<boolean>;
}

/** The cloud's own default of FUNCTIONS_REQUEST_BODY_SIZE_LIMIT. */
const DEFAULT_MAX_BODY_BYTES = 104_857_600;
/** How long to wait for a Service Bus that does not answer: what it sends later is not received and comes again. */
const STOP_MS = 1_000;
/** A connection that does not close in this time is left to the end of the process. */
const CLOSE_MS = 1_000;

/** Loads the app and serves its functions. Rejects with what is wrong with the app, its settings or the port. */
export async function startHost({ root, env, port, freeze }: HostOptions): Promise<Host> {
  const config = readHostJson(readFileSync(join(root, "host.json"), "utf8"), env);
  const log = createHostLog(config.logLevels, instanceName(env));
  const ids = new InvocationIds();
  const registry = await loadApp(root, log);
  const { proxy } = registry;
  if (proxy === undefined) ids.close();
  const hookData = {};
  await runHooks(registry.hooks.appStart, { hookData });
  const invoker = new Invoker(registry, log, config.functionTimeoutMs);
  const functions = [...registry.functions.values()];
  const routes = new RouteTable(functions, config.routePrefix);
  for (const { fn, method, taker } of routes.unreachable()) {
    const what = `Function "${fn}" is never called by ${method}: "${taker}", whose name comes first, has its route.`;
    log.write("warning", "Host.Startup", what);
  }
  const http = await startHttpServer({
    port,
    host: "127.0.0.1",
    ...{ routes, invoker, log },
    maxBodyBytes: bodyLimit(env),
    homePage: homePageOf(env),
    streams: proxy === undefined ? undefined : { proxy, ids },
  });
  const listening = targeted(functions, env.FUNCTIONS_TARGET_GROUP);
  const triggers = startTriggers(listening, { config: config.serviceBus, invoker, log, env });
  log.write("information", "Host.Startup", `${functions.length} functions on http://127.0.0.1:${http.port}`);

  const freezer =
    freeze === undefined || listening.some(readsFeed)
      ? undefined
      : new Freezer({ ...freeze, invoker, triggers, clock: systemClock });
  return {
    port: http.port,
    groups: groupsOf(functions, config.serviceBus, env),
    log,
    accept: (socket) => http.accept(socket),
    async drain(withinMs) {
      log.write("information", "Host.Shutdown", `Draining; ${invoker.running} invocation(s) running.`);
      freezer?.stop();
      http.stopAccepting();
      const stopped = within(triggers.stop(), STOP_MS);
      const drained = stopped.then(() => invoker.idle()).then(() => triggers.idle());
      const terminated = within(
        runHooks(registry.hooks.appTerminate, { hookData }),
        TERMINATE_GRACE_MS,
      ).catch((thrown) => log.write("error", "Host.Shutdown", `An appTerminate hook failed: ${thrown}`));
      const clean = await within(drained, withinMs);
      await terminated;
      if (!clean) log.write("warning", "Host.Shutdown", `${invoker.running} invocation(s) are cut.`);
      await within(Promise.all([http.close(clean ? CLOSE_MS : 0), triggers.close()]), CLOSE_MS);
      log.flush();
      return clean;
    },
  };
}

/** As the cloud names it, else by the stack's number for it. */
function instanceName({ WEBSITE_POD_NAME, HOST_NUMBER = String(process.pid) }: Env): string {
  return WEBSITE_POD_NAME ?? `host-${HOST_NUMBER}`;
}

/** What a change feed brings is not asked from outside: whoever reads one is never frozen. */
function readsFeed({ trigger }: RegisteredFunction): boolean {
  return trigger.type.toLowerCase() === "cosmosdbtrigger";
}

function bodyLimit(env: Env): number {
  const { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: limit = "" } = env;
  return /^\d+$/.test(limit) ? Number(limit) : DEFAULT_MAX_BODY_BYTES;
}

/** True when `work` ended in time; a failure of it is thrown. */
function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), ms);
    work.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  });
}
