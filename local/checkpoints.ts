import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { type Clock, systemClock } from "./clock.ts";

export interface CheckpointBounds {
  /** Pages of the log that are not in the store's file yet, above which they are copied there. */
  readonly uncopiedPages: number;
  /** Pages of the whole log, above which it is written from its start again even if callers wait. */
  readonly logPages: number;
  /** No caller waits when nothing was committed for so long. */
  readonly quietMs: number;
}

/** 32 MB and 128 MB: a longer one would be felt when a store that was killed is opened again. */
const BOUNDS: CheckpointBounds = { uncopiedPages: 8_000, logPages: 32_000, quietMs: 100 };
/** Commits between two looks at the log. */
const COMMITS_A_LOOK = 64;

/**
 * Copies a store's log into its file now and then. SQLite would do it within a commit, which then waits for the disk for
 * 100 ms and more, and everybody with it; so a thread does it. What was written meanwhile is left to this connection:
 * only once all of the log is in the file is it written from its start again. That waits for the disk as well, so it
 * is done in a quiet moment, or when the log has grown long; what is copied already costs no reader anything.
 */
export class Checkpoints {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #look: StatementSync;
  readonly #bounds: CheckpointBounds;
  readonly #clock: Clock;
  #thread: Worker | undefined;
  #busy = false;
  /** The thread has done its part; this connection's is due at the next moment without a transaction. */
  #due = false;
  #stopWaiting: () => void = () => undefined;
  #commits = 0;
  #logPages = 0;

  constructor(db: DatabaseSync, file: string, bounds: CheckpointBounds = BOUNDS, clock: Clock = systemClock) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#db = db;
    this.#file = file;
    db.exec("PRAGMA wal_autocheckpoint = 0");
    this.#look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
  }

  /** Call this after each commit, once its callers have heard of it. */
  committed(): void {
    if (this.#due) this.#finish();
    if (++this.#commits % COMMITS_A_LOOK !== 0 || this.#busy || this.#db.isTransaction) return;
    const { log, checkpointed } = this.#look.get() ?? {};
    this.#logPages = Number(log);
    if (this.#logPages - Number(checkpointed) < this.#bounds.uncopiedPages) return;
    this.#busy = true;
    this.#thread ??= this.#start();
    this.#thread.postMessage("checkpoint");
  }

  close(): void {
    this.#busy = true;
    this.#stopWaiting();
    void this.#thread?.terminate();
  }

  #start(): Worker {
    const { dirname, filename } = import.meta;
    const script = path.join(dirname, `checkpoint-thread${path.extname(filename)}`);
    const thread = new Worker(script, { workerData: this.#file });
    thread.unref();
    thread.on("message", () => {
      if (this.#logPages > this.#bounds.logPages) return this.#finish();
      this.#busy = false;
      this.#finishWhenQuiet();
    });
    // What the thread could not do is done here, however long it takes.
    thread.on("error", () => {
      this.#thread = undefined;
      this.#finish();
    });
    return thread;
  }

  #finishWhenQuiet(): void {
    this.#stopWaiting();
    const commits = this.#commits;
    this.#stopWaiting = this.#clock.after(this.#bounds.quietMs, () => {
      if (this.#busy) return; // it copies once more, and comes back
      if (this.#commits === commits) this.#finish();
      else this.#finishWhenQuiet();
    });
  }

  #finish(): void {
    if (!this.#db.isOpen) return;
    this.#due = this.#db.isTransaction;
    if (this.#due) return;
    this.#busy = false;
    try {
      this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // A full disk, or one that fails: the log still holds everything, and the next look tries again.
    }
  }
}
