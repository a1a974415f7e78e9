import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, beforeEach } from "vitest";
import { alive } from "./alive.ts";

const START = fileURLToPath(new URL("../../dist/local/start.js", import.meta.url));
export const EMULATORS = fileURLToPath(new URL("../../dist/local/emulators.js", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const APP = join(ROOT, "test/fixtures/host-app");
const LOOK_MS = 20;

export interface Started {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export interface Processes {
  readonly host: number[];
  readonly emulators: number;
  readonly groups?: Record<string, number[]>;
  readonly frozen?: number[];
}

/** What the fixture app has noted, see its `note`. */
export interface Note {
  readonly pid: number;
  readonly fn: string;
  readonly message?: { n: number };
  readonly instance?: string;
  readonly scheduleStatus?: { next: string };
}

/** `npm start` without npm, on the fixture app: each test of the file has a folder of its own. */
export class Stacks {
  folder = "";
  #started: ChildProcess[] = [];

  constructor() {
    beforeEach(() => {
      this.folder = mkdtempSync(join(tmpdir(), "start-"));
      this.#started = [];
    });
    afterEach(async () => {
      const { host, emulators } = this.processes();
      for (const child of this.#started) child.kill("SIGKILL");
      for (const pid of [...host, emulators]) await gone(pid);
      rmSync(this.folder, { recursive: true, maxRetries: 5 });
    });
  }

  start(args: string[] = [], env: Record<string, string> = {}, entry = START): Started {
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: ROOT,
      env: {
        ...{
          PORT: "0",
          SERVICEBUS_PORT: "0",
          COSMOS_PORT: "0",
          MODEL_ENDPOINTS_PORT: "0",
          AZURITE_PORT: "0",
        },
        ...{ DRAIN_SECONDS: "1", AzureWebJobsScriptRoot: APP },
        ...{ DATA_DIR: this.folder, FIXTURE_NOTES: join(this.folder, "notes") },
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#started.push(child);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    return { child, stdout: () => stdout, stderr: () => stderr };
  }

  processes(): Processes {
    const file = join(this.folder, "processes.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { host: [], emulators: 0 };
  }

  notes(): Note[] {
    const file = join(this.folder, "notes");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").split("\n");
    return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as Note);
  }

  /** The notes of one function. */
  of(fn: string): Note[] {
    return this.notes().filter((note) => note.fn === fn);
  }
}

export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The address it prints once it serves; fails with what it said instead when it ends. */
export function ready({ child, stdout, stderr }: Started): Promise<string> {
  return until(() => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${stderr()}`);
    return /^ready (http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout())?.[1];
  });
}

/** Ends it in order, and waits until it has; its exit code. */
export async function end({ child }: Started, signal: NodeJS.Signals): Promise<number | null> {
  const ended = once(child, "exit");
  child.kill(signal);
  const [code] = await ended;
  return code;
}

export const gone = (pid: number) => until(() => !alive(pid));

/** Sends messages to the queue `nudges` of the Service Bus on `port`. */
export async function send(port: number, ...messages: object[]): Promise<void> {
  const client = new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true`,
  );
  await client.createSender("nudges").sendMessages(messages.map((body) => ({ body })));
  await client.close();
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
