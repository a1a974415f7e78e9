import type { ChildProcess } from "node:child_process";
import type { FunctionGroup } from "../host/function-groups.ts";
import type { HostLog } from "../host/host-log.ts";

/** The process ended before it was ever ready: starting it again would change nothing. */
export class StartFailed extends Error {
  override readonly name = "StartFailed";
}

export interface ChildOptions {
  /** The name in log lines: "host 1", "emulators". */
  readonly name: string;
  /** Starts the process; `known` is what its last ready message said, so that it takes the same ports again. */
  readonly spawn: (known: ReadyMessage | undefined) => ChildProcess;
  readonly log: HostLog;
  /** Its pid has changed. */
  readonly onChange: () => void;
  /** It serves, for the first time or again. */
  readonly onReady?: (child: ChildProcess, message: ReadyMessage) => void;
}

/** What a child sends once it serves; the ports are those of a host, of the emulators or of Azurite. */
export interface ReadyMessage {
  readonly ready: true;
  readonly port?: number;
  readonly serviceBusPort?: number;
  readonly cosmosPort?: number;
  readonly modelEndpointsPort?: number;
  readonly blobPort?: number;
  readonly queuePort?: number;
  readonly tablePort?: number;
  readonly controlPort?: number;
  /** Of a host: the groups its functions scale by. */
  readonly groups?: readonly FunctionGroup[];
}

/** A process that dies sooner than this after its start is started again with growing delays. */
const QUICK_DEATH_MS = 5_000;
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/** A child process that is started again when it dies, until it is told to stop. */
export class Child {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #known: ReadyMessage | undefined;
  #stopping = false;
  #quickDeaths = 0;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it; resolves at its first ready message. Rejects with StartFailed when it gives up before. */
  start(): Promise<ReadyMessage> {
    return new Promise((resolve, reject) => this.#spawn(resolve, reject));
  }

  /** Asks it to end, by signal or message; kills it after `graceMs`. Resolves when it is gone. */
  async stop(ask: (child: ChildProcess) => void, graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#process;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    ask(child);
    await gone;
    clearTimeout(timer);
  }

  /** Kills it, now. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#restart);
    this.#process?.kill("SIGKILL");
  }

  #spawn(resolve: (message: ReadyMessage) => void, reject: (why: Error) => void): void {
    const { name, log, onChange } = this.#options;
    const startedAt = performance.now();
    const child = this.#options.spawn(this.#known);
    this.#process = child;
    onChange();
    child.on("message", (message: unknown) => {
      if (!isReady(message)) return;
      if (this.#known !== undefined)
        log.write("information", "Start", `${name} serves again (pid ${child.pid}).`);
      this.#known = message;
      this.#options.onReady?.(child, message);
      resolve(message);
    });
    // A child that could not even be spawned has no "exit".
    child.once("error", (error) => log.write("error", "Start", `${name}: ${error.message}`));
    child.once("exit", (code, signal) => {
      this.#process = undefined;
      onChange();
      if (this.#stopping) return reject(new StartFailed(`${name} was stopped.`));
      if (this.#known === undefined && signal === null) {
        return reject(new StartFailed(`${name} ended with exit code ${code} before it served.`));
      }
      const lived = performance.now() - startedAt;
      this.#quickDeaths = lived < QUICK_DEATH_MS ? this.#quickDeaths + 1 : 0;
      const delayMs =
        this.#quickDeaths <= 1 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (this.#quickDeaths - 2), MAX_DELAY_MS);
      const how = signal ?? `exit code ${code}`;
      log.write(
        "warning",
        "Start",
        `${name} died (pid ${child.pid}, ${how}); starting it again in ${delayMs} ms.`,
      );
      this.#restart = setTimeout(() => this.#spawn(resolve, reject), delayMs);
    });
  }
}

export function isReady(message: unknown): message is ReadyMessage {
  return typeof message === "object" && message !== null && (message as { ready?: unknown }).ready === true;
}
