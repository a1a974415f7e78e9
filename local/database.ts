import { chmodSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Checkpoints } from "./checkpoints.ts";

/**
 * A store of one of the emulators: a SQLite file (or `:memory:`).
 * `migrations[n]` brings version n to n+1; `user_version` in the file says which it has.
 */
export interface DatabaseOptions {
  /** What the file holds, for error messages: "Service Bus", "Cosmos". */
  readonly name: string;
  readonly file: string;
  readonly migrations: readonly string[];
}

/** Files up to this size are looked through when they are opened (about 1 ms a MB); larger ones when they are read. */
const MAX_CHECKED_BYTES = 64 * 1_048_576;

/** The file cannot be used; the message says which, why and what to do. */
export class DatabaseUnusable extends Error {
  override readonly name = "DatabaseUnusable";
}

/**
 * Opens the file, or makes it. WAL with synchronous=NORMAL: what was committed survives the death of the process
 * at any moment (not a power cut: this is a laptop's stand-in for a cloud). What undoes a savepoint is kept in memory:
 * SQLite would write it to a temporary file, more often than it writes its log.
 */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  const { name, file, migrations } = options;
  let db: DatabaseSync | undefined;
  try {
    // Patience first: several hosts of a stack may open one file at the same moment.
    db = new DatabaseSync(file, { timeout: 5_000 });
    // Prompts are in it. SQLite gives its log the same rights.
    if (file !== ":memory:" && statSync(file).uid === process.getuid?.()) chmodSync(file, 0o600);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY");
    const version = versionOf(db);
    if (version > migrations.length) {
      throw new DatabaseUnusable(
        `${name}: ${file} was written by a newer version (${version}; this one knows ${migrations.length}). Use that version, or another DATA_DIR.`,
      );
    }
    checkPages(db);
    for (let v = version; v < migrations.length; v++) {
      db.exec("BEGIN IMMEDIATE");
      // Another process may have been quicker.
      if (versionOf(db) === v) db.exec(`${migrations[v]}; PRAGMA user_version = ${v + 1}`);
      db.exec("COMMIT");
    }
    return db;
  } catch (thrown) {
    db?.close();
    if (thrown instanceof DatabaseUnusable) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new DatabaseUnusable(
      `${name}: ${file} cannot be opened (${why}). Move it away to start empty, or restore a copy.`,
      { cause: thrown },
    );
  }
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
}

/** Throws when the file is damaged: better now than in the middle of work. */
function checkPages(db: DatabaseSync): void {
  const size = db
    .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
    .get();
  if (Number(size?.bytes ?? 0) > MAX_CHECKED_BYTES) return;
  const answer = db.prepare("PRAGMA quick_check(1)").get()?.quick_check;
  if (answer !== "ok") throw new Error(`it is damaged: ${answer}`);
}

interface Enlisted {
  readonly done: () => void;
  readonly failed: (why: Error) => void;
}

/** The most callers that share a commit: none waits longer for others. */
const MAX_TOGETHER = 24;

/**
 * Writes of one turn of the event loop share one commit; where there are several, so do those of the next turns as long
 * as each brings more: a commit costs more than most writes. Callers hear after it is on disk, so nothing is acknowledged that is not
 * stored. A commit that fails (a full disk) rolls all of them back and tells each one.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #waiting: Enlisted[] | undefined;
  #doomed: Error | undefined;
  readonly #onRollback: () => void;
  readonly #checkpoints: Checkpoints | undefined;

  /** `onRollback`: called after a failed commit, to throw away what is cached of the lost writes. */
  constructor(db: DatabaseSync, onRollback: () => void = () => undefined) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#onRollback = onRollback;
    const file = db.location();
    this.#checkpoints = file === null || file === "" ? undefined : new Checkpoints(db, file);
  }

  /** Runs `work` at once inside the open transaction; its value is promised once that transaction is committed. */
  run<T>(work: () => T): Promise<T> {
    this.begin();
    const value = work();
    return new Promise((resolve, reject) => this.enlist(() => resolve(value), reject));
  }

  /**
   * Opens this turn's transaction if none is open; what the caller writes from here to the end of its turn belongs
   * to it. Exactly one of the two is called once it has ended. Throws when no transaction can be opened, or this
   * turn's is to be rolled back.
   */
  enlist(done: () => void, failed: (why: Error) => void): void {
    this.#open().push({ done, failed });
  }

  /** Opens this turn's transaction if none is open. */
  begin(): void {
    this.#open();
  }

  get isOpen(): boolean {
    return this.#waiting !== undefined;
  }

  /** A write failed half-way: the open transaction will be rolled back, not committed. */
  doom(why: Error): void {
    this.#doomed ??= why;
  }

  /** Reads; what it saw of an open transaction is promised only once that is committed. */
  read<T>(work: () => T): Promise<T> {
    if (this.#waiting !== undefined) return this.run(work);
    return new Promise((resolve) => resolve(work()));
  }

  /** Commits what is open now. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    const failure = this.#end();
    if (failure !== undefined) this.#onRollback();
    // One caller's fault must not keep the others from hearing.
    const faults: unknown[] = [];
    for (const { done, failed } of waiting) {
      try {
        if (failure === undefined) done();
        else failed(failure);
      } catch (thrown) {
        faults.push(thrown);
      }
    }
    this.#checkpoints?.committed();
    if (faults.length > 0) throw faults[0];
  }

  /** Commits what is open now, and is done. */
  close(): void {
    this.flush();
    this.#checkpoints?.close();
  }

  #open(): Enlisted[] {
    if (this.#waiting === undefined) {
      this.#begin.run();
      this.#waiting = [];
      this.#flushLater(this.#waiting, 1);
    }
    // A full disk makes SQLite roll back on its own. What is written after that would be stored one by one.
    if (!this.#db.isTransaction)
      this.#doomed ??= new Error("The transaction was rolled back by the database.");
    if (this.#doomed !== undefined) throw this.#doomed;
    return this.#waiting;
  }

  /** Flushes at the end of the first turn in which no caller joined the `seen` ones; a single caller's at once. */
  #flushLater(open: readonly Enlisted[], seen: number): void {
    setImmediate(() => {
      if (this.#waiting !== open) return; // flushed meanwhile
      if (open.length > seen && open.length < MAX_TOGETHER) this.#flushLater(open, open.length);
      else this.flush();
    });
  }

  #end(): Error | undefined {
    const doomed = this.#doomed;
    this.#doomed = undefined;
    try {
      if (doomed !== undefined) throw doomed;
      this.#commit.run();
      return undefined;
    } catch (thrown) {
      try {
        this.#db.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back on its own (a full disk does that); nothing is left to undo.
      }
      return thrown instanceof Error ? thrown : new Error(String(thrown));
    }
  }
}
