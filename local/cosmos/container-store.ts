import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import type { ContainerDefinition } from "./container-definition.ts";
import type { ContainerView, Selection, StoredItem } from "./container-view.ts";
import { History } from "./history.ts";
import { IndexPlan } from "./index-plan.ts";
import { systemFields, withSystemFields } from "./item-text.ts";
import { containerRid, databaseRid, itemRid } from "./rid.ts";

/** Prepared queries kept for the next time. */
const MAX_KEPT_SELECTS = 200;
/**
 * Numbers are set aside in lots, stored before any of a lot is used: one that was given out once is never given
 * out again, not even after its item was deleted and the process killed. An etag or a continuation relies on it.
 */
const LSN_LOT = 10_000;

/** Which container it is, and what it is. */
export interface ContainerPlace {
  readonly number: number;
  readonly database: { readonly number: number; readonly name: string };
  readonly definition: ContainerDefinition;
}

/**
 * One container's items: a table, its indexes, and the statements that use them. A row's number is its lsn: each write
 * takes the next, so the table itself is the change feed.
 */
export class ContainerStore implements ContainerView {
  readonly number: number;
  readonly rid: string;
  readonly path: string;
  /** `dbs/{rid}/colls/{rid}/` */
  readonly self: string;
  readonly inOrder = true;
  readonly table: string;
  readonly definition: ContainerDefinition;
  readonly indexes: IndexPlan;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #read: StatementSync;
  readonly #etag: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #expired: StatementSync;
  readonly #nextExpiry: StatementSync;
  readonly #selects = new Map<string, StatementSync>();
  readonly #singleIndexes = new Set<string>();
  readonly #before: StatementSync;
  readonly #reserve: StatementSync;
  #lsn: number;
  #reserved = 0;
  /** Kept while stale reads are asked for. */
  history: History | undefined;
  /** Told of each expiry that is written, in Unix ms. */
  onExpiry: (atMs: number) => void = () => undefined;

  constructor(db: DatabaseSync, { number, database, definition }: ContainerPlace, clock: Clock) {
    this.number = number;
    this.rid = containerRid(database.number, number);
    this.path = `dbs/${database.name}/colls/${definition.id}`;
    this.self = `dbs/${databaseRid(database.number)}/colls/${this.rid}/`;
    this.table = `items_${number}`;
    this.definition = definition;
    this.#db = db;
    this.#clock = clock;
    this.indexes = new IndexPlan(definition.indexingPolicy);
    const { table } = this;
    makeTable(db, table, this.indexes);
    const live = "(expires_ms IS NULL OR expires_ms > ?)";
    this.#read = db.prepare(`SELECT lsn, id, body, etag FROM ${table} WHERE pk = ? AND id = ? AND ${live}`);
    this.#etag = db.prepare(`SELECT etag FROM ${table} WHERE pk = ? AND id = ? AND ${live}`);
    const columns = ["lsn", "pk", "id", "body", "etag", "expires_ms", "p1", ...this.indexes.columns];
    const marks = columns.map(() => "?").join(", ");
    this.#put = db.prepare(`INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${marks})`);
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE pk = ? AND id = ?`);
    this.#expired = db.prepare(`DELETE FROM ${table} WHERE expires_ms <= ?`);
    this.#nextExpiry = db.prepare(`SELECT min(expires_ms) AS at FROM ${table} WHERE expires_ms IS NOT NULL`);
    this.#before = db.prepare(`SELECT lsn, id, body, etag, expires_ms FROM ${table} WHERE pk = ? AND id = ?`);
    this.#reserve = db.prepare("UPDATE containers SET reserved_lsn = ? WHERE number = ?");
    const highest = `SELECT max(reserved_lsn, (SELECT coalesce(max(lsn), 0) FROM ${table})) AS lsn FROM containers WHERE number = ?`;
    this.#lsn = Number(db.prepare(highest).get(number)?.lsn ?? 0);
  }

  keepHistory(keep: boolean): void {
    if (!keep) this.history = undefined;
    else this.history ??= new History(this.#lsn);
  }

  /** The open transaction was undone: what memory has of it goes too. Numbers given out are not used again. */
  rolledBack(): void {
    this.#reserved = 0;
    if (this.history !== undefined) this.history = new History(this.#lsn);
  }

  /** So does a batch that failed. */
  batchRolledBack(): void {
    this.#reserved = 0;
    this.history?.rollBack();
  }

  #nextLsn(): number {
    const lsn = ++this.#lsn;
    if (lsn > this.#reserved) {
      this.#reserved = lsn + LSN_LOT;
      this.#reserve.run(this.#reserved, this.number);
    }
    return lsn;
  }

  #record(lsn: number, key: string, id: string): void {
    const row = this.#before.get(key, id);
    const expiresMs = (row?.expires_ms ?? null) as number | null;
    const item = row === undefined ? undefined : storedItem(row);
    this.history?.record({ lsn, atMs: this.#clock.now(), key, id, item, expiresMs });
  }

  get paths(): readonly string[] {
    return this.definition.partitionKey.paths;
  }

  get lsn(): number {
    return this.#lsn;
  }

  read(key: string, id: string): StoredItem | undefined {
    const row = this.#read.get(key, id, this.#clock.now());
    return row === undefined ? undefined : storedItem(row);
  }

  /** The etag alone, for a write that only has to know whether there is an item and which version. */
  etag(key: string, id: string): string | undefined {
    return this.#etag.get(key, id, this.#clock.now())?.etag as string | undefined;
  }

  /** Stores the item under a new etag; system fields the client sent are replaced. */
  put(key: string, id: string, item: Record<string, unknown>, text: string | undefined): StoredItem {
    const lsn = this.#nextLsn();
    if (this.history !== undefined) this.#record(lsn, key, id);
    const nowMs = this.#clock.now();
    const etag = `"${this.number.toString(16).padStart(4, "0")}-${lsn.toString(16).padStart(12, "0")}"`;
    const body = withSystemFields(
      item,
      text,
      systemFields(etag, Math.floor(nowMs / 1000), itemRid(this.rid, key, id), this.self),
    );
    const expiresMs = this.#expiresMs(item.ttl, nowMs);
    this.#put.run(lsn, key, id, body, etag, expiresMs, firstPart(key), ...this.indexes.values(item));
    if (expiresMs !== null) this.onExpiry(expiresMs);
    return { id, text: body, etag, lsn };
  }

  delete(key: string, id: string): void {
    const lsn = this.#nextLsn();
    if (this.history !== undefined) this.#record(lsn, key, id);
    this.#delete.run(key, id);
  }

  /** Counted from the last write, to the second, as the service does. */
  #expiresMs(ttl: unknown, nowMs: number): number | null {
    const { defaultTtl } = this.definition;
    if (defaultTtl === undefined || defaultTtl === null) return null;
    const seconds = typeof ttl === "number" ? ttl : defaultTtl;
    return seconds < 0 ? null : (Math.floor(nowMs / 1000) + seconds) * 1000;
  }

  sweep(): number | undefined {
    this.#expired.run(this.#clock.now());
    const at = this.#nextExpiry.get()?.at;
    return at === null || at === undefined ? undefined : Number(at);
  }

  /** Makes the index of a single path, the first time a query over several partitions asks for it. */
  needSingle(column: string): void {
    if (this.#singleIndexes.has(column)) return;
    this.#db.exec(
      `CREATE INDEX IF NOT EXISTS ${this.table}${column} ON ${this.table} (${column}) WHERE ${column} IS NOT NULL`,
    );
    this.#singleIndexes.add(column);
  }

  *select({ where, order, values }: Selection): Generator<StoredItem> {
    const sql = `SELECT lsn, id, body, etag FROM ${this.table} WHERE (${where}) AND (expires_ms IS NULL OR expires_ms > ?) ${order}`;
    // Taken out while in use: a statement cannot be run twice at a time, as a subquery or a second page might.
    const statement = this.#selects.get(sql) ?? this.#db.prepare(sql);
    this.#selects.delete(sql);
    try {
      for (const row of statement.iterate(...values, this.#clock.now())) yield storedItem(row);
    } finally {
      if (this.#selects.size < MAX_KEPT_SELECTS) this.#selects.set(sql, statement);
    }
  }
}

/** A column that a replaced policy adds later stays empty for old items: those are found by looking at all. */
function makeTable(db: DatabaseSync, table: string, indexes: IndexPlan): void {
  const columns = indexes.columns.map((column) => `, ${column} ANY`).join("");
  db.exec(`CREATE TABLE IF NOT EXISTS ${table} (
    lsn INTEGER PRIMARY KEY, pk TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    etag TEXT NOT NULL, expires_ms INTEGER, p1 TEXT NOT NULL${columns}, UNIQUE (pk, id)) STRICT;
    CREATE INDEX IF NOT EXISTS ${table}_expires ON ${table} (expires_ms) WHERE expires_ms IS NOT NULL`);
  for (const [number, { paths, descending }] of indexes.composites.entries()) {
    const parts = paths.map(
      (path, at) => `${indexes.column(path)} ${descending[at] === true ? "DESC" : "ASC"}`,
    );
    db.exec(`CREATE INDEX IF NOT EXISTS ${table}_composite_${number} ON ${table} (p1, ${parts.join(", ")})`);
  }
}

function storedItem(row: Record<string, unknown>): StoredItem {
  return { id: String(row.id), text: String(row.body), etag: String(row.etag), lsn: Number(row.lsn) };
}

/** The first component of a key text, by which a prefix query of hierarchical keys is narrowed. */
export function firstPart(key: string): string {
  return key.slice(0, key.indexOf("\u0001") + 1);
}
