import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../database.ts";

const MIGRATIONS = [
  `CREATE TABLE feeds (
     name TEXT PRIMARY KEY, continuation TEXT, holder TEXT, expires_ms INTEGER
   ) STRICT`,
];

/** Which process reads which change feed, and how far it has come: what the cloud keeps in the lease container. */
export class FeedStore {
  readonly #db: DatabaseSync;
  readonly #holder: string;

  /** `holder`: a name no other process has. */
  constructor(file: string, holder: string) {
    this.#db = openDatabase({ name: "Change feeds", file, migrations: MIGRATIONS });
    // See TimerStore: rather miss a turn than wait for a frozen process.
    this.#db.exec("PRAGMA busy_timeout = 50");
    this.#holder = holder;
  }

  /** Takes or renews the lease; false while another process has it. */
  hold(name: string, nowMs: number, leaseMs: number): boolean {
    const held = this.#db
      .prepare(
        `INSERT INTO feeds (name, holder, expires_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET holder = ?2, expires_ms = ?3
           WHERE holder IS NULL OR holder = ?2 OR expires_ms <= ?4`,
      )
      .run(name, this.#holder, nowMs + leaseMs, nowMs);
    return held.changes > 0;
  }

  continuation(name: string): string | undefined {
    const row = this.#db.prepare("SELECT continuation FROM feeds WHERE name = ?").get(name);
    return typeof row?.continuation === "string" ? row.continuation : undefined;
  }

  /** Notes how far the feed has been handled; false when the lease was lost meanwhile. */
  advance(name: string, continuation: string): boolean {
    const advanced = this.#db
      .prepare("UPDATE feeds SET continuation = ? WHERE name = ? AND holder = ?")
      .run(continuation, name, this.#holder);
    return advanced.changes > 0;
  }

  release(name: string): void {
    this.#db
      .prepare("UPDATE feeds SET holder = NULL, expires_ms = NULL WHERE name = ? AND holder = ?")
      .run(name, this.#holder);
  }

  close(): void {
    this.#db.close();
  }
}
