import { type ChildProcess, fork } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EMULATOR_KEY } from "../cosmos/authorization.ts";
import type { HostLog } from "../host/host-log.ts";
import { TERMINATE_GRACE_MS } from "../host/termination.ts";
import { Child, type ReadyMessage } from "./child.ts";
import { FrontDoor } from "./front-door.ts";
import { withModelEndpointsPort } from "./models-file.ts";
import { onPort } from "./ports.ts";
import type { StackSettings } from "./settings.ts";
import { writeWhole } from "./written-file.ts";

export interface StackOptions {
  readonly settings: StackSettings;
  /** The app's folder, and where infra/resources.json is. */
  readonly folder: string;
  readonly instances: number;
  readonly log: HostLog;
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
const HEALTH_LOOK_MS = 50;

/** Name and key of the local stack's own accounts: what is known to everybody protects nothing but loopback. */
const SERVICE_BUS_KEY = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";

/** The processes of `npm start`: the emulators, and N hosts behind one port. */
export class Stack {
  readonly #options: StackOptions;
  #emulators: Child | undefined;
  readonly #hosts: Child[] = [];
  /** Where several hosts share a port; a single one listens itself. */
  #door: FrontDoor | undefined;
  #port: number;
  #stopping: Promise<void> | undefined;
  /** How many host processes were started so far. */
  #started = 0;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#port = options.settings.port;
  }

  /** Resolves with the port once every host serves and the app says that it is healthy. Rejects with StartFailed. */
  async start(): Promise<number> {
    const { instances, log } = this.#options;
    this.#emulators = new Child({
      name: "emulators",
      spawn: (known) => this.#spawnEmulators(known),
      log,
      onChange: () => this.#writeProcesses(),
    });
    const ports = await this.#emulators.start();
    const env = this.#hostEnv(ports);
    if (instances > 1) {
      const door = new FrontDoor();
      this.#port = await onPort("PORT", this.#port, (port) => door.listen(port));
      this.#door = door;
    }
    for (let i = 1; i <= instances; i++) {
      const host = new Child({
        name: instances === 1 ? "host" : `host ${i}`,
        spawn: () => this.#spawnHost({ ...env, PORT: String(instances === 1 ? this.#port : 0) }),
        log,
        onChange: () => this.#writeProcesses(),
        onReady: (child) => this.#door?.open(child),
      });
      this.#hosts.push(host);
    }
    // The first alone: it tells of a fault in the configuration once, and its port is kept over restarts.
    const [first, ...others] = this.#hosts;
    const port = (await first?.start())?.port;
    if (instances === 1) this.#port = port ?? this.#port;
    await Promise.all(others.map((host) => host.start()));
    await this.#untilHealthy();
    return this.#port;
  }

  /** Ends the hosts, then the emulators. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends everything at once. */
  kill(): void {
    for (const child of [...this.#hosts, this.#emulators]) child?.kill();
    this.#removeProcesses();
  }

  async #stop(): Promise<void> {
    this.#door?.close();
    const drainMs = Math.max(this.#options.settings.drainSeconds * 1000, TERMINATE_GRACE_MS);
    const graceMs = drainMs + HOST_CLOSE_MS;
    await Promise.all(this.#hosts.map((host) => host.stop((child) => child.kill("SIGTERM"), graceMs)));
    await this.#emulators?.stop((child) => tell(child, { stop: true }), EMULATORS_CLOSE_MS);
    this.#removeProcesses();
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
    return fork(HOST_ENTRY, [], { cwd: this.#options.folder, env, execArgv: this.#nodeArguments });
  }

  /** Arguments as the cloud's host gives them to its worker process. */
  get #nodeArguments(): string[] {
    return this.#options.settings.nodeArguments;
  }

  #hostEnv(ports: ReadyMessage): Record<string, string> {
    const { settings } = this.#options;
    const env: Record<string, string> = { ...settings.env, DATA_DIR: settings.dataDir };
    if (settings.emulateServiceBus) {
      env.SERVICEBUS = `Endpoint=sb://127.0.0.1:${ports.serviceBusPort};${SERVICE_BUS_KEY};UseDevelopmentEmulator=true;`;
    }
    if (settings.emulateCosmos) {
      env.COSMOS = `AccountEndpoint=http://127.0.0.1:${ports.cosmosPort}/;AccountKey=${EMULATOR_KEY};`;
    }
    const modelsFile = this.#localModelsFile(ports.modelEndpointsPort);
    if (modelsFile !== undefined) env.MODELS_FILE = modelsFile;
    return env;
  }

  /** The catalogue with the model endpoints' real port, where that is not the one the file has. */
  #localModelsFile(port: number | undefined): string | undefined {
    const { settings } = this.#options;
    if (port === undefined) return undefined;
    let text: string;
    try {
      text = readFileSync(settings.modelsFile, "utf8");
    } catch {
      // The app says which file it misses.
      return undefined;
    }
    const changed = withModelEndpointsPort(text, port);
    if (changed === undefined || changed === text) return undefined;
    const file = join(settings.dataDir, "models.json");
    writeWhole(file, changed);
    return file;
  }

  async #untilHealthy(): Promise<void> {
    const url = `http://127.0.0.1:${this.#port}/api/health`;
    const deadline = performance.now() + HEALTH_PATIENCE_MS;
    for (;;) {
      const why = await healthOf(url);
      if (why === undefined || this.#stopping !== undefined) return;
      if (performance.now() > deadline) throw new Error(`GET ${url} is not well: ${why}`);
      await new Promise((resolve) => setTimeout(resolve, HEALTH_LOOK_MS));
    }
  }

  get #processesFile(): string {
    return join(this.#options.settings.dataDir, "processes.json");
  }

  #writeProcesses(): void {
    const host = this.#hosts.map((child) => child.pid).filter((pid) => pid !== undefined);
    const emulators = this.#emulators?.pid ?? null;
    writeWhole(this.#processesFile, `${JSON.stringify({ host, emulators })}\n`);
  }

  #removeProcesses(): void {
    rmSync(this.#processesFile, { force: true });
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
