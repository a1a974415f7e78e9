import { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../database.ts";

/** What the stack knows of a timer, times in Unix ms. */
export interface TimerStatus {
  readonly lastMs: number | undefined;
  readonly nextMs: number | undefined;
  readonly updatedMs: number | undefined;
}

const MIGRATIONS = [
  `CREATE TABLE timers (
     name TEXT PRIMARY KEY, schedule TEXT NOT NULL,
     last_ms INTEGER, next_ms INTEGER, updated_ms INTEGER,
     holder TEXT, expires_ms INTEGER
   ) STRICT`,
];

/** A frozen process could hold SQLite's own lock: rather miss a turn than stop the whole host with it. */
const PATIENCE_MS = 50;
/** At the start, when every process of a stack writes at once: without its row a timer could not be. */
const START_PATIENCE_MS = 5_000;

/**
 * Which process runs which timer, shared by every host process of a stack through a small file, as the cloud's hosts
 * share a blob lease. A lock that is not renewed lapses: a killed or frozen holder is replaced.
 */
export class TimerStore {
  readonly #db: DatabaseSync;
  readonly #holder: string;

  /** `holder`: a name no other process has, not even one with the same pid later. */
  constructor(file: string, holder: string) {
    this.#db = openDatabase({ name: "Timers", file, migrations: MIGRATIONS });
    this.#waitAtMost(PATIENCE_MS);
    this.#holder = holder;
  }

  #waitAtMost(ms: number): void {
    this.#db.exec(`PRAGMA busy_timeout = ${ms}`);
  }

  /** At the start of a process: the timer's status; its row is made, with `firstMs` as the next run, where there is none for this schedule. */
  status(name: string, schedule: string, firstMs: number | undefined): TimerStatus {
    this.#waitAtMost(START_PATIENCE_MS);
    this.#db
      .prepare(
        `INSERT INTO timers (name, schedule, next_ms) VALUES (?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, next_ms = excluded.next_ms
           WHERE timers.schedule <> excluded.schedule`,
      )
      .run(name, schedule, firstMs ?? null);
    this.#waitAtMost(PATIENCE_MS);
    return this.#read(name);
  }

  /**
   * The right to run the timer, with its status before the run, if it is due at `nowMs` (or `evenEarly`) and no other
   * process holds it. If another process has run it meanwhile, it is no longer due.
   */
  tryLock(name: string, nowMs: number, lockMs: number, evenEarly: boolean): TimerStatus | undefined {
    const taken = this.#db
      .prepare(
        `UPDATE timers SET holder = ?, expires_ms = ?
           WHERE name = ? AND (holder IS NULL OR holder = ? OR expires_ms <= ?) AND (? OR next_ms <= ?)`,
      )
      .run(this.#holder, nowMs + lockMs, name, this.#holder, nowMs, evenEarly ? 1 : 0, nowMs);
    return taken.changes === 0 ? undefined : this.#read(name);
  }

  /** False when the lock was lost. */
  renew(name: string, nowMs: number, lockMs: number): boolean {
    const renewed = this.#db
      .prepare("UPDATE timers SET expires_ms = ? WHERE name = ? AND holder = ?")
      .run(nowMs + lockMs, name, this.#holder);
    return renewed.changes > 0;
  }

  /** Notes a run and gives the lock back; false when it was lost and another process goes on. */
  finish(name: string, run: { startedMs: number; nextMs: number | undefined; nowMs: number }): boolean {
    const finished = this.#db
      .prepare(
        `UPDATE timers SET last_ms = ?, next_ms = ?, updated_ms = ?, holder = NULL, expires_ms = NULL
           WHERE name = ? AND holder = ?`,
      )
      .run(run.startedMs, run.nextMs ?? null, run.nowMs, name, this.#holder);
    return finished.changes > 0;
  }

  /** The next run as stored; another process may have moved it on. */
  nextMs(name: string): number | undefined {
    return this.#read(name).nextMs;
  }

  close(): void {
    this.#db.close();
  }

  #read(name: string): TimerStatus {
    const row = this.#db.prepare("SELECT last_ms, next_ms, updated_ms FROM timers WHERE name = ?").get(name);
    const time = (value: unknown) => (typeof value === "number" ? value : undefined);
    return {
      lastMs: time(row?.last_ms),
      nextMs: time(row?.next_ms),
      updatedMs: time(row?.updated_ms),
    };
  }
}

/** Looks from outside which timers want a process. */
export class DueTimers {
  readonly #db: DatabaseSync;

  /** Throws what opening throws while no host has made the file. */
  constructor(file: string) {
    this.#db = new DatabaseSync(file, { readOnly: true, timeout: 50 });
  }

  /** The names of those that are due and that nobody runs. */
  at(nowMs: number): Set<string> {
    const rows = this.#db
      .prepare("SELECT name FROM timers WHERE next_ms <= ?1 AND (holder IS NULL OR expires_ms <= ?1)")
      .all(nowMs);
    return new Set(rows.map(({ name }) => String(name)));
  }

  close(): void {
    this.#db.close();
  }
}
