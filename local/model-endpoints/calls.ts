import type { DatabaseSync, StatementSync } from "node:sqlite";
import { GroupCommit, openDatabase } from "../database.ts";

/** One call as it was counted. */
export interface CallRecord {
  /** Order of arrival, from 1, without gaps. */
  readonly seq: number;
  readonly profile: string;
  /** The model as the request named it; null if it could not be read. */
  readonly model: string | null;
  readonly endpoint: string;
  /** Unix time, ms. */
  readonly received_at_ms: number;
  /** Hash of the body's bytes, lower-case hex. */
  readonly request_sha256: string;
  /** The headers x-switchyard-job and x-switchyard-attempt. */
  readonly job: string | null;
  readonly attempt: string | null;
  /** What was answered; 499 where the caller went away, null where nothing has been answered (yet). */
  readonly status: number | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** The fault that struck, if one did. */
  readonly fault: string | null;
}

export type CallOutcome = Pick<CallRecord, "status" | "input_tokens" | "output_tokens" | "fault">;

export interface CallCounters {
  readonly calls: number;
  /** Counts by profile, then by status ("none" if nothing was answered). */
  readonly by_profile: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const MIGRATIONS = [
  `CREATE TABLE calls (
     seq INTEGER PRIMARY KEY,
     profile TEXT NOT NULL, model TEXT, endpoint TEXT NOT NULL,
     received_at_ms REAL NOT NULL, request_sha256 TEXT NOT NULL,
     job TEXT, attempt TEXT,
     status INTEGER, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, fault TEXT
   );
   CREATE INDEX calls_by_job ON calls (job) WHERE job IS NOT NULL;
   CREATE TABLE directive_hits (key TEXT PRIMARY KEY, hits INTEGER NOT NULL) WITHOUT ROWID`,
];
const FIELDS =
  "seq, profile, model, endpoint, received_at_ms, request_sha256, job, attempt, status, input_tokens, output_tokens, fault";

/** The calls that came, on disk before they are answered, so that their number survives the death of the process. */
export class Calls {
  readonly #db: DatabaseSync;
  readonly #commit: GroupCommit;
  readonly #insert: StatementSync;
  readonly #settle: StatementSync;
  readonly #hit: StatementSync;
  #lastSeq: number;

  constructor(file: string) {
    this.#db = openDatabase({ name: "Model endpoints", file, migrations: MIGRATIONS });
    this.#commit = new GroupCommit(this.#db);
    this.#insert = this.#db.prepare(
      `INSERT INTO calls (${FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#settle = this.#db.prepare(
      "UPDATE calls SET status = ?, input_tokens = ?, output_tokens = ?, fault = ? WHERE seq = ?",
    );
    this.#hit = this.#db.prepare(
      "INSERT INTO directive_hits VALUES (?, 1) ON CONFLICT DO UPDATE SET hits = hits + 1 RETURNING hits",
    );
    this.#lastSeq = Number(this.#db.prepare("SELECT max(seq) AS last FROM calls").get()?.last ?? 0);
  }

  /** The number of a call that has just come. */
  nextSeq(): number {
    return ++this.#lastSeq;
  }

  /** Resolves once the call is on disk. */
  record(call: CallRecord): Promise<void> {
    return this.#commit.run(() => {
      this.#insert.run(
        call.seq,
        call.profile,
        call.model,
        call.endpoint,
        call.received_at_ms,
        call.request_sha256,
        call.job,
        call.attempt,
        call.status,
        call.input_tokens,
        call.output_tokens,
        call.fault,
      );
    });
  }

  /** How a call that was recorded at its arrival ended. Resolves once that is on disk. */
  settle(seq: number, outcome: CallOutcome): Promise<void> {
    const { status, input_tokens, output_tokens, fault } = outcome;
    return this.#commit.run(() => {
      this.#settle.run(status, input_tokens, output_tokens, fault, seq);
    });
  }

  /** Counts a call that a directive is meant for; its number, from 1, once that is on disk. */
  hit(key: string): Promise<number> {
    return this.#commit.run(() => Number(this.#hit.get(key)?.hits));
  }

  /** Calls after `since`, in order. */
  list(filter: { since: number; limit: number; job?: string; profile?: string }): CallRecord[] {
    const where = ["seq > ?"];
    const values: (string | number)[] = [filter.since];
    for (const name of ["job", "profile"] as const) {
      const value = filter[name];
      if (value === undefined) continue;
      where.push(`${name} = ?`);
      values.push(value);
    }
    this.#commit.flush();
    return this.#db
      .prepare(`SELECT ${FIELDS} FROM calls WHERE ${where.join(" AND ")} ORDER BY seq LIMIT ?`)
      .all(...values, filter.limit) as unknown as CallRecord[];
  }

  counters(): CallCounters {
    this.#commit.flush();
    const rows = this.#db
      .prepare("SELECT profile, status, count(*) AS calls FROM calls GROUP BY profile, status")
      .all() as { profile: string; status: number | null; calls: number }[];
    const byProfile: Record<string, Record<string, number>> = {};
    for (const { profile, status, calls } of rows) {
      byProfile[profile] = { ...byProfile[profile], [String(status ?? "none")]: calls };
    }
    return { calls: rows.reduce((sum, row) => sum + row.calls, 0), by_profile: byProfile };
  }

  close(): void {
    this.#commit.close();
    this.#db.close();
  }
}
