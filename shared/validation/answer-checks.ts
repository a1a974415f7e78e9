import { Worker } from "node:worker_threads";
import type { Clock } from "../clock.ts";
import type { Question, Verdict } from "./thread.ts";

export type { Verdict } from "./thread.ts";

/** Whether answers hold schemas, which are their senders': a pattern of one may take for ever. */
export interface AnswerChecks {
  /** Never rejects. */
  check(question: Question): Promise<Verdict>;
}

/** A check that takes longer is given up, and its thread with it: CPU of its own, for on a busy machine it waits for its turn. */
const MAX_CPU_MS = 1_000;
/** So often it is looked whether it has; at each a second has gone by, or what was left of its own. */
const MAX_LOOKS = 15;
/** Until a new thread has loaded what it needs; on a busy machine that takes long. */
const MAX_START_MS = 15_000;
/** A thread that has had nothing to do for so long is let go: it takes some 10 MB. */
const IDLE_MS = 60_000;
const MAX_HEAP_MB = 64;
/** Checks at once: one that takes its whole second holds up half of the others at most. */
const THREADS = 2;
/** More than wait in any healthy instance: theirs would come too late. */
const MAX_WAITING = 256;

/** In the bundle it is an entry of its own: see tools/build/bundle.ts. */
const threadUrl = (): URL =>
  new URL(import.meta.url.endsWith(".ts") ? "./thread.ts" : "./validation-thread.js", import.meta.url);

interface Asked {
  readonly question: Question;
  readonly answer: (verdict: Verdict) => void;
}

interface Thread {
  readonly worker: Worker;
  isReady: boolean;
  /** Whoever waits for it hears what it says; undefined: it has ended. */
  answered: (said: Verdict | "ready" | undefined) => void;
  cancel: () => void;
}

/** Checks answers in threads, so that neither time nor memory of the service is spent on them. */
export class ThreadChecks implements AnswerChecks {
  readonly #clock: Pick<Clock, "after">;
  readonly #waiting: Asked[] = [];
  readonly #idle: Thread[] = [];
  #running = 0;
  #cancelIdle: () => void = () => undefined;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  check(question: Question): Promise<Verdict> {
    if (this.#waiting.length >= MAX_WAITING) return Promise.resolve({ kind: "unavailable" });
    return new Promise((answer) => {
      this.#waiting.push({ question, answer });
      this.#next();
    });
  }

  #next(): void {
    if (this.#running >= THREADS) return;
    const asked = this.#waiting.shift();
    if (asked === undefined) return;
    this.#running++;
    this.#cancelIdle();
    const thread = this.#idle.pop() ?? this.#newThread();
    let isOver = false;
    const done = (verdict: Verdict, isLost: boolean) => {
      isOver = true;
      thread.cancel();
      thread.answered = () => undefined;
      if (isLost) void thread.worker.terminate();
      else this.#idle.push(thread);
      this.#running--;
      asked.answer(verdict);
      this.#cancelIdle = this.#clock.after(IDLE_MS, () => this.close());
      this.#next();
    };
    const giveUp = () => done({ kind: "unavailable" }, true);
    const begin = () => {
      const before = cpuMs(thread.worker);
      const look = async (looks: number) => {
        const leftMs = MAX_CPU_MS - ((await cpuMs(thread.worker)) - (await before));
        if (isOver) return;
        if (leftMs > 0 && looks < MAX_LOOKS) within(leftMs, looks + 1);
        else giveUp();
      };
      const within = (ms: number, looks = 1) => {
        thread.cancel = this.#clock.after(ms, () => void look(looks));
      };
      within(MAX_CPU_MS);
    };
    thread.answered = (said) => {
      if (said === undefined) giveUp();
      else if (said !== "ready") done(said, false);
      else {
        thread.cancel();
        begin();
      }
    };
    // Its own start does not count.
    if (thread.isReady) begin();
    else thread.cancel = this.#clock.after(MAX_START_MS, giveUp);
    thread.worker.postMessage(asked.question);
  }

  #newThread(): Thread {
    const worker = new Worker(threadUrl(), { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB } });
    worker.unref();
    const thread: Thread = { worker, isReady: false, answered: () => undefined, cancel: () => undefined };
    worker.on("message", (said: Verdict | "ready") => {
      thread.isReady = true;
      thread.answered(said);
    });
    const ended = () => {
      // It may have died with nothing to do.
      const at = this.#idle.indexOf(thread);
      if (at >= 0) this.#idle.splice(at, 1);
      thread.answered(undefined);
    };
    worker.on("error", ended).on("exit", ended);
    return thread;
  }

  close(): void {
    for (const { worker } of this.#idle.splice(0)) void worker.terminate();
  }
}

/** What the thread has taken so far; Infinity: it has ended, or this Node cannot tell (before 24.6). */
async function cpuMs(worker: Worker): Promise<number> {
  try {
    const { user, system } = await worker.cpuUsage();
    return (user + system) / 1000;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
