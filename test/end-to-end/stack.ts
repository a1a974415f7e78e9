import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { checkContract } from "./contract.ts";

const root = path.resolve(import.meta.dirname, "../..");

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a service answers is for the test to say
  readonly json: any;
}

export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly text?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
  /** The API key; null sends none. */
  readonly key?: string | null;
}

/** As a poll's, see vitest.config.ts. */
const PATIENCE_MS = 100_000;

const layoutOfRun = () => process.env.TEST_LAYOUT?.split(" ") ?? [];

/** `npm start`, without npm: the built service on free ports, in a folder of its own. */
export class Stack {
  readonly folder = mkdtempSync(path.join(tmpdir(), "switchyard-test-"));
  readonly #environment: Record<string, string>;
  readonly #arguments: readonly string[];
  #process: ChildProcess | undefined;
  #output = "";
  url = "";

  /** @param args its layout, beside that of the test run, see split-service.test.ts */
  constructor(environment: Record<string, string> = {}, args: readonly string[] = []) {
    this.#environment = environment;
    this.#arguments = [...layoutOfRun(), ...args];
  }

  /** All that its processes have written so far. */
  get output(): string {
    return this.#output;
  }

  async start(): Promise<void> {
    const ports = { PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" };
    const child = spawn(process.execPath, [path.join(root, "dist/local/start.js"), ...this.#arguments], {
      cwd: root,
      env: {
        ...process.env,
        ...ports,
        DATA_DIR: this.folder,
        MODEL_LATENCY_SCALE: "0",
        ...this.#environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const from = this.#output.length;
    this.url = await new Promise<string>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        this.#output += chunk.toString();
        const ready = /^ready (http:\S+)$/m.exec(this.#output.slice(from))?.[1];
        if (ready !== undefined) resolve(ready);
      };
      child.stdout?.on("data", read);
      child.stderr?.on("data", read);
      child.once("exit", (code) => reject(new Error(`the stack ended with ${code}:\n${this.#output}`)));
    });
  }

  /** As Ctrl-C or the cloud would; answers the exit code. The data stays. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const exited = once(child, "exit");
    child.kill(signal);
    const [code] = await exited;
    return code;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  processes(): {
    host: number[];
    emulators: number;
    groups?: Record<string, number[]>;
    frozen?: number[];
    starting?: string[];
  } {
    return JSON.parse(readFileSync(path.join(this.folder, "processes.json"), "utf8"));
  }

  /** Every answer is held against the OpenAPI document. */
  async call(route: string, call: Call = {}): Promise<Answer> {
    const { key = "local-team-a", body } = call;
    const text = call.text ?? (body === undefined ? undefined : JSON.stringify(body));
    const method = call.method ?? (text === undefined ? "GET" : "POST");
    const response = await fetch(`${this.url}${route}`, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(text === undefined ? {} : { "content-type": "application/json" }),
        ...call.headers,
      },
      ...(text === undefined ? {} : { body: text }),
    });
    const received = await response.text();
    const json = /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(received) : undefined;
    const answer = { status: response.status, headers: response.headers, text: received, json };
    checkContract(method, route, answer);
    return answer;
  }

  submit(body: unknown, more: Call & { envelope?: object } = {}): Promise<Answer> {
    return this.call("/api/jobs", { ...more, body: { body, ...more.envelope } });
  }

  /** The job once it has ended. */
  async ended(id: string, call: Call = {}): Promise<Answer> {
    const giveUpAtMs = performance.now() + PATIENCE_MS;
    while (performance.now() < giveUpAtMs) {
      const answer = await this.call(`/api/jobs/${id}`, {
        ...call,
        headers: { ...call.headers, prefer: "wait=10" },
      });
      if (answer.status !== 200 || !["queued", "in_progress"].includes(answer.json.status)) return answer;
    }
    throw new Error(`${id} has not ended:\n${this.#output.slice(-4000)}`);
  }
}

export const chat = (content: string, model = "gpt-sim") => ({
  model,
  messages: [{ role: "user", content }],
});
