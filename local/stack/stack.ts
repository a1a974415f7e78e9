import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { HostLog } from "../host/host-log.ts";
import { makeSharedStores } from "../host/shared-stores.ts";
import { TERMINATE_GRACE_MS } from "../host/termination.ts";
import { BacklogLook } from "./backlog-look.ts";
import { Child, type ReadyMessage } from "./child.ts";
import { FlexHosts } from "./flex-hosts.ts";
import { hostEnv } from "./host-env.ts";
import { HostSet } from "./host-set.ts";
import type { Hosts, HostsOptions } from "./hosts.ts";
import type { Layout } from "./layout.ts";
import { removeProcesses, writeProcesses } from "./processes-file.ts";
import { platformTimes } from "./scale-controller.ts";
import type { StackSettings } from "./settings.ts";

export interface StackOptions {
  readonly settings: StackSettings;
  /** The app's folder, and where infra/resources.json is. */
  readonly folder: string;
  readonly layout: Layout;
  readonly log: HostLog;
}

/** What has the app print spans: of every job, whatever the user's own share is. */
const PRINTED_SPANS = { OTEL_TRACES_EXPORTER: "console", OTEL_TRACES_SAMPLER_ARG: "1" };

/** A layout that these settings cannot have. */
export class LayoutNotPossible extends Error {
  override readonly name = "LayoutNotPossible";
}

/** Compiled, the children are .js files; run from source, .ts. */
const EXTENSION = extname(fileURLToPath(import.meta.url));
const EMULATORS_ENTRY = fileURLToPath(new URL(`../emulators${EXTENSION}`, import.meta.url));
const HOST_ENTRY = fileURLToPath(new URL(`../host/main${EXTENSION}`, import.meta.url));

/** What a host may take to close after its drain. */
const HOST_CLOSE_MS = 4_000;
const EMULATORS_CLOSE_MS = 5_000;
/** A SIGTERM that reached the emulators has reached this process by then, if it went to the whole group. */
const GROUP_SIGNAL_MS = 300;
const HEALTH_PATIENCE_MS = 60_000;
const FIRST_HEALTH_LOOK_MS = 50;
const MAX_HEALTH_LOOK_MS = 1_000;

/** The processes of `npm start`: the emulators, and hosts behind one port. */
export class Stack {
  readonly #options: StackOptions;
  #emulators: Child | undefined;
  #controlPort: number | undefined;
  #hosts: Hosts | undefined;
  #stopping: Promise<void> | undefined;
  /** How many host processes were started so far. */
  #started = 0;

  constructor(options: StackOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the port once every host serves and the app says that it is healthy. Rejects with StartFailed,
   * PortTaken or LayoutNotPossible.
   */
  async start(): Promise<number> {
    const { settings, layout, log } = this.#options;
    if (layout.freeze !== undefined && !settings.emulateServiceBus) {
      throw new LayoutNotPossible(
        "--freeze asks the local Service Bus what waits in its queues, and SERVICEBUS names another one.",
      );
    }
    this.#emulators = new Child({
      name: "emulators",
      spawn: (known) => this.#spawnEmulators(known),
      log,
      onChange: () => this.#writeProcesses(),
      onReady: (_, { controlPort }) => {
        this.#controlPort = controlPort;
      },
    });
    const env = {
      ...hostEnv(settings, await this.#emulators.start()),
      ...(layout.telemetry ? PRINTED_SPANS : {}),
    };
    makeSharedStores(settings.dataDir);
    this.#hosts = this.#layOut({
      instances: layout.instances,
      port: settings.port,
      spawn: (own) => this.#spawnHost({ ...env, ...own }),
      log,
      onChange: () => this.#writeProcesses(),
    });
    const port = await this.#hosts.start();
    await this.#untilHealthy(port);
    return port;
  }

  /** Ends the hosts, then the emulators. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends everything at once. */
  kill(): void {
    this.#hosts?.kill();
    this.#emulators?.kill();
    removeProcesses(this.#options.settings.dataDir);
  }

  async #stop(): Promise<void> {
    await this.#hosts?.stop(this.#graceMs);
    await this.#emulators?.stop((child) => tell(child, { stop: true }), EMULATORS_CLOSE_MS);
    removeProcesses(this.#options.settings.dataDir);
  }

  /** What a host has to end in order. */
  get #graceMs(): number {
    return Math.max(this.#options.settings.drainSeconds * 1000, TERMINATE_GRACE_MS) + HOST_CLOSE_MS;
  }

  #layOut(options: HostsOptions): Hosts {
    const { layout, settings } = this.#options;
    const { split, freeze, seed } = layout;
    if (freeze === undefined) return new HostSet({ ...options, split });
    const backlog = new BacklogLook(settings.dataDir, () => this.#controlPort);
    const times = platformTimes(settings.freezeTimeScale);
    return new FlexHosts({ ...options, freeze, seed, times, backlog, graceMs: this.#graceMs });
  }

  #spawnEmulators(known: ReadyMessage | undefined): ChildProcess {
    const { settings, folder } = this.#options;
    const ports = {
      SERVICEBUS_PORT: known?.serviceBusPort,
      COSMOS_PORT: known?.cosmosPort,
      MODEL_ENDPOINTS_PORT: known?.modelEndpointsPort,
    };
    const resolved = Object.entries(ports).filter(([, port]) => port !== undefined);
    const child = fork(EMULATORS_ENTRY, [], {
      cwd: folder,
      env: {
        ...settings.env,
        ...Object.fromEntries(resolved.map(([name, port]) => [name, String(port)])),
      },
      execArgv: [],
    });
    child.on("message", (message: { terminated?: boolean }) => {
      if (message.terminated !== true) return;
      setTimeout(() => {
        if (this.#stopping === undefined) tell(child, { stop: true });
      }, GROUP_SIGNAL_MS);
    });
    return child;
  }

  #spawnHost(settings: Record<string, string>): ChildProcess {
    // Each has the next number: a fault campaign tells its hosts apart by it.
    const env = { ...settings, HOST_NUMBER: String(++this.#started) };
    // As the cloud's host gives them to its worker process.
    const execArgv = this.#options.settings.nodeArguments;
    return fork(HOST_ENTRY, [], { cwd: this.#options.folder, env, execArgv });
  }

  async #untilHealthy(port: number): Promise<void> {
    const url = `http://127.0.0.1:${port}/api/health`;
    const deadline = performance.now() + HEALTH_PATIENCE_MS;
    for (let pauseMs = FIRST_HEALTH_LOOK_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_HEALTH_LOOK_MS)) {
      const why = await healthOf(url);
      if (why === undefined || this.#stopping !== undefined) return;
      if (performance.now() > deadline) throw new Error(`GET ${url} is not well: ${why}`);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #writeProcesses(): void {
    const hosts = this.#hosts?.processes() ?? { host: [] };
    writeProcesses(this.#options.settings.dataDir, { ...hosts, emulators: this.#emulators?.pid ?? null });
  }
}

/** Undefined when it answers 200. */
async function healthOf(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const text = await response.text();
    return response.status === 200 ? undefined : `${response.status} ${text}`;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** A child that has just died cannot be told anything, and need not be. */
function tell(child: ChildProcess, message: object): void {
  if (child.connected) child.send(message, () => undefined);
}
