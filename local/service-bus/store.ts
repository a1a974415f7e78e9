import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openDatabase } from "../database.ts";

/** A message as it lies in the file. Times are Unix ms. */
export interface StoredMessage {
  readonly id: number;
  readonly messageId: string;
  readonly session: string | null;
  readonly enqueuedAt: number;
  readonly expiresAt: number | null;
  /** Scheduled messages only. */
  readonly dueAt: number | null;
  readonly ttlMs: number | null;
  /** `SentHeader.code`. */
  readonly header: number | null;
  readonly annotations: Buffer | null;
  readonly content: Buffer;
  readonly deadLetterSource: string | null;
  /** Sequence number in the queue it was first sent to, when that was another. */
  readonly enqueueSequence: number | null;
}

/** What changes while a message lives: kept apart from its body, so that a lock never rewrites that. */
export interface Progress {
  readonly deliveryCount: number;
  readonly lockToken: Buffer | null;
  readonly lockedUntil: number | null;
}

export type StoredProgress = Progress & { readonly id: number };

export interface StoredSession {
  readonly session: string;
  readonly state: Buffer | null;
  readonly lockedUntil: number | null;
}

const MIGRATIONS = [
  `CREATE TABLE queue (
     number INTEGER PRIMARY KEY,
     name TEXT NOT NULL UNIQUE COLLATE NOCASE,
     next_sequence INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE message (
     id INTEGER PRIMARY KEY,
     message_id TEXT NOT NULL,
     session TEXT,
     enqueued_at INTEGER NOT NULL,
     expires_at INTEGER,
     due_at INTEGER,
     ttl_ms INTEGER,
     priority INTEGER,
     dead_letter_source TEXT,
     enqueue_sequence INTEGER,
     annotations BLOB,
     content BLOB NOT NULL
   ) STRICT;
   CREATE INDEX message_expiry ON message (expires_at) WHERE expires_at IS NOT NULL;
   CREATE INDEX message_due ON message (due_at) WHERE due_at IS NOT NULL;
   CREATE INDEX message_session ON message (session, id) WHERE session IS NOT NULL;
   CREATE TABLE progress (
     id INTEGER PRIMARY KEY,
     delivery_count INTEGER NOT NULL,
     lock_token BLOB,
     locked_until INTEGER
   ) STRICT;
   CREATE TABLE session (
     queue INTEGER NOT NULL,
     session TEXT NOT NULL,
     state BLOB,
     locked_until INTEGER,
     PRIMARY KEY (queue, session)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE seen (
     queue INTEGER NOT NULL,
     message_id TEXT NOT NULL,
     seen_at INTEGER NOT NULL,
     PRIMARY KEY (queue, message_id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX seen_age ON seen (queue, seen_at);`,
];

const MESSAGE = `m.id, m.message_id AS messageId, m.session, m.enqueued_at AS enqueuedAt, m.expires_at AS expiresAt,
  m.due_at AS dueAt, m.ttl_ms AS ttlMs, m.priority AS header, m.dead_letter_source AS deadLetterSource,
  m.enqueue_sequence AS enqueueSequence, m.annotations, m.content`;
const UNLOCKED = "LEFT JOIN progress p ON p.id = m.id WHERE p.lock_token IS NULL AND";

/** A message found ready: without its body, which is read when it goes out. */
export interface ReadyRow {
  readonly id: number;
  readonly session: string | null;
  readonly expiresAt: number | null;
  readonly deliveryCount: number;
}

export type StoredWithProgress = StoredMessage & {
  readonly deliveryCount: number;
  readonly lockedUntil: number | null;
};

/** Every statement of the emulator. Callers see to the transaction. */
export class Store {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #body: StatementSync;
  readonly #putProgress: StatementSync;
  readonly #dropProgress: StatementSync;

  /** Throws DatabaseUnusable. */
  constructor(file: string) {
    this.db = openDatabase({ name: "Service Bus", file, migrations: MIGRATIONS });
    this.#insert = this.db.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#delete = this.db.prepare("DELETE FROM message WHERE id = ?");
    this.#body = this.db.prepare(`SELECT ${MESSAGE} FROM message m WHERE m.id = ?`);
    this.#putProgress = this.db.prepare("INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?)");
    this.#dropProgress = this.db.prepare("DELETE FROM progress WHERE id = ?");
  }

  close(): void {
    this.db.close();
  }

  /** Number and next sequence number of a queue; makes it when it is new. */
  openQueue(name: string): { number: number; nextSequence: number } {
    const known = this.#get("SELECT number, next_sequence AS nextSequence FROM queue WHERE name = ?", name);
    if (known !== undefined) return known as { number: number; nextSequence: number };
    this.#run("INSERT INTO queue (name, next_sequence) VALUES (?, 1)", name);
    return this.openQueue(name);
  }

  reserveSequences(queueNumber: number, next: number): void {
    this.#run("UPDATE queue SET next_sequence = ? WHERE number = ?", next, queueNumber);
  }

  insert(message: StoredMessage): void {
    this.#insert.run(
      message.id,
      message.messageId,
      message.session,
      message.enqueuedAt,
      message.expiresAt,
      message.dueAt,
      message.ttlMs,
      message.header,
      message.deadLetterSource,
      message.enqueueSequence,
      message.annotations,
      message.content,
    );
  }

  message(id: number): StoredMessage | undefined {
    const row = this.#body.get(id);
    return row === undefined ? undefined : asMessage(row);
  }

  /** Removes a message; `delivered`: it may have a row of progress. */
  remove(id: number, delivered: boolean): void {
    this.#delete.run(id);
    if (delivered) this.#dropProgress.run(id);
  }

  setProgress(id: number, progress: Progress): void {
    this.#putProgress.run(id, progress.deliveryCount, progress.lockToken, progress.lockedUntil);
  }

  dropProgress(id: number): void {
    this.#dropProgress.run(id);
  }

  /** Gives a row its new place; the caller writes its progress again. */
  move(id: number, to: number): void {
    this.#run("UPDATE message SET id = ? WHERE id = ?", to, id);
    this.#dropProgress.run(id);
  }

  toDeadLetters(id: number, to: number, source: string, content: Buffer): void {
    this.#run(
      "UPDATE message SET id = ?, dead_letter_source = ?, content = ?, expires_at = NULL WHERE id = ?",
      to,
      source,
      content,
      id,
    );
    this.#dropProgress.run(id);
  }

  /** Message `id` becomes `ready`. */
  activate(id: number, ready: StoredMessage): void {
    this.#run(
      `UPDATE message SET id = ?, enqueued_at = ?, expires_at = ?, due_at = NULL, priority = ?, content = ?
       WHERE id = ?`,
      ready.id,
      ready.enqueuedAt,
      ready.expiresAt,
      ready.header,
      ready.content,
      id,
    );
  }

  setContent(id: number, content: Buffer): void {
    this.#run("UPDATE message SET content = ? WHERE id = ?", content, id);
  }

  /** Unlocked messages with `after` < id <= `last`, in order; of one session when that is given. */
  ready(after: number, last: number, session: string | null, limit: number): ReadyRow[] {
    const columns =
      "SELECT m.id, m.session, m.expires_at AS expiresAt, coalesce(p.delivery_count, 0) AS deliveryCount FROM message m";
    return (session === null
      ? this.#all(`${columns} ${UNLOCKED} m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?`, after, last, limit)
      : this.#all(
          `${columns} ${UNLOCKED} m.session = ? AND m.id > ? AND m.id <= ? ORDER BY m.id LIMIT ?`,
          session,
          after,
          last,
          limit,
        )) as unknown as ReadyRow[];
  }

  /** Messages, locked ones too, with `first` <= id <= `last`, in order. */
  peek(first: number, last: number, session: string | null, limit: number): StoredWithProgress[] {
    const columns = `SELECT ${MESSAGE}, coalesce(p.delivery_count, 0) AS deliveryCount, p.locked_until AS lockedUntil
      FROM message m LEFT JOIN progress p ON p.id = m.id`;
    const rows =
      session === null
        ? this.#all(`${columns} WHERE m.id >= ? AND m.id <= ? ORDER BY m.id LIMIT ?`, first, last, limit)
        : this.#all(
            `${columns} WHERE m.session = ? AND m.id >= ? AND m.id <= ? ORDER BY m.id LIMIT ?`,
            session,
            first,
            last,
            limit,
          );
    return rows.map((row) => asMessage(row) as StoredWithProgress);
  }

  progress(id: number): Progress | undefined {
    return this.#get(
      "SELECT delivery_count AS deliveryCount, lock_token AS lockToken, locked_until AS lockedUntil FROM progress WHERE id = ?",
      id,
    ) as Progress | undefined;
  }

  /** Every lock of one place, the first to run out first. */
  locks(first: number, last: number): StoredProgress[] {
    const rows = this.#all(
      `SELECT id, delivery_count AS deliveryCount, lock_token AS lockToken, locked_until AS lockedUntil
       FROM progress WHERE id >= ? AND id <= ? AND lock_token IS NOT NULL ORDER BY locked_until, id`,
      first,
      last,
    );
    return rows.map((row) => ({
      ...row,
      lockToken: Buffer.from(row.lockToken as Uint8Array),
    })) as StoredProgress[];
  }

  count(first: number, last: number): number {
    return Number(this.#get("SELECT count(*) AS n FROM message WHERE id >= ? AND id <= ?", first, last)?.n);
  }

  /** Unlocked messages whose time is over. */
  expired(now: number, limit: number): number[] {
    const rows = this.#all(
      `SELECT m.id FROM message m ${UNLOCKED} m.expires_at <= ? ORDER BY m.expires_at LIMIT ?`,
      now,
      limit,
    );
    return rows.map((row) => row.id as number);
  }

  nextExpiry(): number | undefined {
    const row = this.#get(
      `SELECT m.expires_at AS at FROM message m ${UNLOCKED} m.expires_at IS NOT NULL ORDER BY m.expires_at LIMIT 1`,
    );
    return row?.at as number | undefined;
  }

  due(now: number, limit: number): number[] {
    const rows = this.#all(
      "SELECT id FROM message WHERE due_at <= ? ORDER BY due_at, id LIMIT ?",
      now,
      limit,
    );
    return rows.map((row) => row.id as number);
  }

  nextDue(): number | undefined {
    const row = this.#get(
      "SELECT due_at AS at FROM message WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
    );
    return row?.at as number | undefined;
  }

  /** Notes the id; false when it was seen at or after `since` already. */
  noteSeen(queueNumber: number, messageId: string, now: number, since: number): boolean {
    const seen = this.#get(
      "SELECT seen_at AS at FROM seen WHERE queue = ? AND message_id = ?",
      queueNumber,
      messageId,
    );
    if (seen !== undefined && (seen.at as number) > since) return false;
    this.#run("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", queueNumber, messageId, now);
    // Two go for each that comes: the table shrinks while it is used, and no write pays for a big sweep.
    this.#run(
      `DELETE FROM seen WHERE (queue, message_id) IN
         (SELECT queue, message_id FROM seen WHERE queue = ? AND seen_at <= ? ORDER BY seen_at LIMIT 2)`,
      queueNumber,
      since,
    );
    return true;
  }

  sessions(queueNumber: number): StoredSession[] {
    const rows = this.#all(
      "SELECT session, state, locked_until AS lockedUntil FROM session WHERE queue = ? AND locked_until IS NOT NULL",
      queueNumber,
    );
    return rows as unknown as StoredSession[];
  }

  sessionState(queueNumber: number, session: string): Buffer | null {
    const row = this.#get("SELECT state FROM session WHERE queue = ? AND session = ?", queueNumber, session);
    return row?.state == null ? null : Buffer.from(row.state as Uint8Array);
  }

  setSessionState(queueNumber: number, session: string, state: Buffer | null): void {
    this.#run(
      `INSERT INTO session VALUES (?, ?, ?, NULL)
       ON CONFLICT DO UPDATE SET state = excluded.state`,
      queueNumber,
      session,
      state,
    );
  }

  setSessionLock(queueNumber: number, session: string, lockedUntil: number | null): void {
    this.#run(
      `INSERT INTO session VALUES (?, ?, NULL, ?)
       ON CONFLICT DO UPDATE SET locked_until = excluded.locked_until`,
      queueNumber,
      session,
      lockedUntil,
    );
    if (lockedUntil !== null) return;
    this.#run(
      "DELETE FROM session WHERE queue = ? AND session = ? AND state IS NULL AND locked_until IS NULL",
      queueNumber,
      session,
    );
  }

  /** The first session after `after` (by its oldest message) that has an unlocked message; in order of age. */
  sessionsWithMessages(first: number, last: number): string[] {
    const rows = this.#all(
      `SELECT m.session FROM message m ${UNLOCKED} m.session IS NOT NULL AND m.id >= ? AND m.id <= ?
       GROUP BY m.session ORDER BY min(m.id)`,
      first,
      last,
    );
    return rows.map((row) => row.session as string);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (number | string | Buffer | null)[]): void {
    this.#statement(sql).run(...values);
  }

  #get(sql: string, ...values: (number | string)[]): Record<string, unknown> | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: (number | string)[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values);
  }
}

/** node:sqlite gives Uint8Array; the rest of the code wants Buffer over the same bytes. */
function asMessage(row: Record<string, unknown>): StoredMessage {
  row.content = asBuffer(row.content as Uint8Array);
  if (row.annotations !== null) row.annotations = asBuffer(row.annotations as Uint8Array);
  return row as unknown as StoredMessage;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
