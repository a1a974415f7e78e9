import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { cpuMs, rssMb } from "./measure.ts";

const ownRoot = path.resolve(import.meta.dirname, "..");
/** Output of `npm start` beyond this is dropped: only the line with the address is needed. */
const MAX_KEPT_CHARS = 10_000;

export interface StackOptions {
  readonly instances?: number;
  /** Of the processes, as `npm start` is told. */
  readonly layout?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Of a checkout with a built app; this one if left out. */
  readonly root?: string;
}

/** CPU time used so far, ms. */
export interface Cpu {
  readonly app: number;
  readonly emulators: number;
}

/** The whole service as `npm start` runs it, in a folder of its own, simulated models at 0 ms, free ports. */
export class Stack {
  readonly url: string;
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #pids: { readonly host: readonly number[]; readonly emulators: number };

  private constructor(child: ChildProcess, url: string, folder: string) {
    this.#child = child;
    this.url = url;
    this.folder = folder;
    this.#pids = JSON.parse(readFileSync(path.join(folder, "processes.json"), "utf8"));
  }

  /** Needs the built app: `npm run bench` builds it. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-"));
    const ports = { PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" };
    const { instances = 1, layout = [], root = ownRoot } = options;
    const entry = path.join(root, "dist/local/start.js");
    const child = spawn(process.execPath, [entry, "--instances", String(instances), ...layout], {
      cwd: root,
      env: { ...process.env, ...ports, DATA_DIR: folder, MODEL_LATENCY_SCALE: "0", ...options.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        output += output.length < MAX_KEPT_CHARS ? chunk.toString() : "";
        const ready = /^ready (\S+)$/m.exec(output)?.[1];
        if (ready !== undefined) resolve(ready);
      });
      child.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
    });
    return new Stack(child, url, folder);
  }

  cpu(): Cpu {
    const { host, emulators } = this.#pids;
    return { app: host.reduce((sum, pid) => sum + cpuMs(pid), 0), emulators: cpuMs(emulators) };
  }

  /** Of the first host process. */
  hostPid(): number {
    return this.#pids.host[0] ?? 0;
  }

  /** Resident memory, MB: of the first host process and of the emulators. */
  memoryMb(): Cpu {
    const { host, emulators } = this.#pids;
    return { app: rssMb(host[0] ?? 0), emulators: rssMb(emulators) };
  }

  /** Where the emulators listen, and their own door. */
  emulators(): {
    control: string;
    cosmos_port: number;
    service_bus_port: number;
    model_endpoints_port: number;
  } {
    return JSON.parse(readFileSync(path.join(this.folder, "emulators.json"), "utf8"));
  }

  /** What the emulators have counted: Cosmos operations and estimated request units, Service Bus operations. */
  async counters(): Promise<Record<string, number>> {
    const counted = (await (await fetch(this.emulators().control)).json()) as Record<
      string,
      Record<string, number>
    >;
    const named = (prefix: string, from: Record<string, number> = {}) =>
      Object.entries(from).map(([name, value]) => [`${prefix} ${name}`, value] as const);
    return Object.fromEntries([
      ...named("Cosmos", counted.cosmos),
      ...named("Service Bus", counted.service_bus),
    ]);
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
    rmSync(this.folder, { recursive: true });
  }
}
