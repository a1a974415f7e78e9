import type { ChildProcess } from "node:child_process";
import type { HostLog } from "../host/host-log.ts";
import { isReady, type ReadyMessage, StartFailed } from "./child.ts";
import type { InstanceState } from "./scale-controller.ts";

export interface InstanceOptions {
  /** For log lines. */
  readonly name: string;
  readonly spawn: () => ChildProcess;
  readonly log: HostLog;
  /** Its state or pid has changed. */
  readonly onChange: () => void;
  /** It says that it is frozen; whoever has work for it wakes it again. */
  readonly onFrozen: () => void;
}

/** What a host says when it stops itself, and when it goes on; `idleSince` in Unix ms. */
interface FrozenMessage {
  readonly frozen?: boolean;
  readonly idleSince?: number;
}

/** A process that stops itself may do so just after it was continued: it is continued again until it says it is awake. */
const CONTINUE_AGAIN_MS = 50;

/** One instance of a group: a host process that is started, frozen, thawed and ended as the platform pleases. */
export class Instance {
  readonly #options: InstanceOptions;
  #process: ChildProcess | undefined;
  #state: InstanceState = "gone";
  #port = 0;
  /** Unix ms. */
  #idleSince = 0;
  #waking: NodeJS.Timeout | undefined;
  #coming: NodeJS.Timeout | undefined;
  #isTaken = false;

  constructor(options: InstanceOptions) {
    this.#options = options;
  }

  get state(): InstanceState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** It was told to end since it last began. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Where it listens, once it has been awake. */
  get port(): number {
    return this.#port;
  }

  /** For how long it has been without an invocation, ms, if it is frozen. */
  get idleMs(): number {
    return this.#state === "frozen" ? Date.now() - this.#idleSince : 0;
  }

  /** Starts it after a while; it is `coming` until then. */
  startIn(delayMs: number): void {
    const { log } = this.#options;
    this.#to("coming");
    this.#coming = setTimeout(() => {
      this.start().catch((thrown: Error) => log.write("warning", "Start", thrown.message));
    }, delayMs);
  }

  /** Resolves once it serves. Rejects with StartFailed when it ends before. */
  start(): Promise<ReadyMessage> {
    const child = this.#options.spawn();
    this.#process = child;
    this.#isTaken = false;
    this.#to("starting");
    return new Promise((resolve, reject) => {
      child.on("message", (message: unknown) => {
        if (isReady(message)) {
          this.#port = message.port ?? 0;
          this.#to("awake");
          resolve(message);
        } else this.#heard(message as FrozenMessage);
      });
      child.once("error", (error) => this.#say("error", error.message));
      child.once("exit", (code, signal) => {
        const before = this.#state;
        this.#stopWaking();
        this.#process = undefined;
        this.#to("gone");
        const how = signal ?? `exit code ${code}`;
        reject(new StartFailed(`${this.#options.name} ended with ${how} before it served.`));
        if (before !== "ending" && before !== "starting") this.#say("warning", `It died (${how}).`);
      });
    });
  }

  /** Continues it if it is frozen. */
  wake(): void {
    if (this.#state !== "frozen" || this.#waking !== undefined) return;
    const again = () => {
      this.#process?.kill("SIGCONT");
      this.#waking = setTimeout(again, CONTINUE_AGAIN_MS);
    };
    again();
  }

  /** Ends it in order, a frozen one too; kills it after `graceMs`. Resolves when it is gone. */
  async end(graceMs: number): Promise<void> {
    this.#cancelStart();
    const child = this.#process;
    if (child === undefined) return;
    this.#isTaken = true;
    this.#to("ending");
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    // In this order: what it does first, once it goes on, is to end.
    child.kill("SIGTERM");
    child.kill("SIGCONT");
    const again = setInterval(() => child.kill("SIGCONT"), CONTINUE_AGAIN_MS);
    const late = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await gone;
    clearInterval(again);
    clearTimeout(late);
  }

  kill(): void {
    this.#cancelStart();
    if (this.#process === undefined) return;
    this.#isTaken = true;
    this.#to("ending");
    this.#process.kill("SIGKILL");
  }

  #heard({ frozen, idleSince = Date.now() }: FrozenMessage): void {
    if (this.#state === "ending" || frozen === undefined) return;
    if (frozen) {
      this.#idleSince = idleSince;
      this.#to("frozen");
      this.#options.onFrozen();
    } else {
      this.#stopWaking();
      this.#to("awake");
    }
  }

  #stopWaking(): void {
    clearTimeout(this.#waking);
    this.#waking = undefined;
  }

  #cancelStart(): void {
    clearTimeout(this.#coming);
    if (this.#state === "coming") this.#to("gone");
  }

  #to(state: InstanceState): void {
    this.#state = state;
    this.#options.onChange();
  }

  #say(level: "warning" | "error", text: string): void {
    this.#options.log.write(level, "Start", `${this.#options.name}: ${text}`);
  }
}
