import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";

/** Pages of the log that are not in the store's file yet, above which they are copied there: 32 MB. */
const MAX_LOG_PAGES = 8_000;
/** Commits between two looks at the log. */
const COMMITS_A_LOOK = 64;

/**
 * Copies a store's log into its file now and then. SQLite would do it within a commit, which then waits for the disk for
 * 100 ms and more, and everybody with it; so a thread does it, and this connection only what was written meanwhile.
 */
export class Checkpoints {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #look: StatementSync;
  readonly #maxLogPages: number;
  #thread: Worker | undefined;
  #busy = false;
  /** The thread has done its part. */
  #copied = false;
  #commits = 0;

  constructor(db: DatabaseSync, file: string, maxLogPages = MAX_LOG_PAGES) {
    this.#maxLogPages = maxLogPages;
    this.#db = db;
    this.#file = file;
    db.exec("PRAGMA wal_autocheckpoint = 0");
    this.#look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
  }

  /** To be told of each commit, once those who waited for it have heard. */
  committed(): void {
    if (this.#copied) this.#finish();
    if (++this.#commits % COMMITS_A_LOOK !== 0 || this.#busy || this.#db.isTransaction) return;
    const { log, checkpointed } = this.#look.get() ?? {};
    if (Number(log) - Number(checkpointed) < this.#maxLogPages) return;
    this.#busy = true;
    this.#thread ??= this.#start();
    this.#thread.postMessage("checkpoint");
  }

  close(): void {
    this.#busy = true;
    void this.#thread?.terminate();
  }

  #start(): Worker {
    const { dirname, filename } = import.meta;
    const script = path.join(dirname, `checkpoint-thread${path.extname(filename)}`);
    const thread = new Worker(script, { workerData: this.#file });
    thread.unref();
    const done = () => {
      this.#copied = true;
      this.#finish();
    };
    thread.on("message", done);
    // What the thread could not do is done here, however long it takes.
    thread.on("error", () => {
      this.#thread = undefined;
      done();
    });
    return thread;
  }

  /** Only once all of the log is in the file is it written from its start again. Waits for the end of a transaction. */
  #finish(): void {
    if (!this.#db.isOpen || this.#db.isTransaction) return;
    this.#copied = false;
    this.#busy = false;
    try {
      this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // A full disk, or one that fails: the log still holds everything, and the next look tries again.
    }
  }
}
