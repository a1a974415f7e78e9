import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import type { Weight } from "./charges.ts";
import type { ContainerDefinition } from "./container-definition.ts";
import { makeTable } from "./container-table.ts";
import type { ContainerView, Selection, StoredItem } from "./container-view.ts";
import { CosmosError } from "./cosmos-error.ts";
import { History } from "./history.ts";
import { IndexPlan } from "./index-plan.ts";
import { IndexTerms } from "./index-terms.ts";
import { COLUMNS, firstPart, ItemSelects, LIVE, storedItem } from "./item-selects.ts";
import { systemFields, withSystemFields } from "./item-text.ts";
import type { KeyPath } from "./partition-key.ts";
import { propertyNames } from "./property-path.ts";
import { containerRid, databaseRid, itemRid } from "./rid.ts";
import { UniqueKeys } from "./unique-keys.ts";

/**
 * Numbers are set aside in lots, stored before any of a lot is used: one that was given out once is never given
 * out again, not even after its item was deleted and the process killed. An etag or a continuation relies on it.
 */
const LSN_LOT = 10_000;

/** A version of an item: its etag, and what its removal costs. */
export interface Version extends Weight {
  readonly etag: string;
}

/** What a write stored, and what that costs. */
export interface Written {
  readonly item: StoredItem;
  readonly weight: Weight;
}

/** Which container it is, and what it is. */
export interface ContainerPlace {
  readonly number: number;
  readonly database: { readonly number: number; readonly name: string };
  readonly definition: ContainerDefinition;
}

/** One container's items: a table, its indexes, and the statements that use them. */
export class ContainerStore implements ContainerView {
  readonly number: number;
  readonly rid: string;
  readonly path: string;
  /** `dbs/{rid}/colls/{rid}/` */
  readonly self: string;
  readonly databaseSelf: string;
  readonly hasColumns = true;
  readonly table: string;
  readonly definition: ContainerDefinition;
  readonly keyPaths: readonly KeyPath[];
  readonly indexes: IndexPlan;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #read: StatementSync;
  readonly #version: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #expired: StatementSync;
  readonly #nextExpiry: StatementSync;
  readonly #selects: ItemSelects;
  readonly #singleIndexes = new Set<string>();
  readonly #unique: UniqueKeys;
  readonly #terms: IndexTerms;
  readonly #twins: readonly StatementSync[];
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
    this.databaseSelf = `dbs/${databaseRid(database.number)}/`;
    this.self = `${this.databaseSelf}colls/${this.rid}/`;
    this.table = `items_${number}`;
    this.definition = definition;
    this.keyPaths = definition.partitionKey.paths.map(propertyNames);
    this.#db = db;
    this.#clock = clock;
    this.indexes = new IndexPlan(definition.indexingPolicy);
    const { table } = this;
    this.#selects = new ItemSelects(db, table, () => clock.now());
    this.#unique = new UniqueKeys(definition);
    this.#terms = new IndexTerms(this.indexes);
    const { rid, self, indexes } = this;
    makeTable(db, table, { rid, self, indexes, unique: this.#unique, terms: this.#terms });
    this.#twins = this.#unique.columns.map((column) =>
      db.prepare(`SELECT 1 FROM ${table} WHERE pk = ? AND ${column} = ? AND id <> ? AND ${LIVE}`),
    );
    this.#read = db.prepare(`SELECT ${COLUMNS} FROM ${table} WHERE pk = ? AND id = ? AND ${LIVE}`);
    this.#version = db.prepare(
      `SELECT etag, octet_length(body) AS bytes, terms FROM ${table} WHERE pk = ? AND id = ? AND ${LIVE}`,
    );
    const written = [
      "lsn",
      "body",
      "etag",
      "expires_ms",
      "terms",
      ...this.#unique.columns,
      ...this.indexes.columns,
    ];
    const columns = [...written, "born", "pk", "id", "p1"];
    const marks = columns.map(() => "?").join(", ");
    // Replaces an item that has expired and is not swept yet.
    this.#insert = db.prepare(`INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${marks})`);
    const changes = written.map((column) => `${column} = ?`).join(", ");
    this.#update = db.prepare(`UPDATE ${table} SET ${changes} WHERE pk = ? AND id = ?`);
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE pk = ? AND id = ?`);
    this.#expired = db.prepare(`DELETE FROM ${table} WHERE expires_ms <= ?`);
    this.#nextExpiry = db.prepare(`SELECT min(expires_ms) AS at FROM ${table} WHERE expires_ms IS NOT NULL`);
    this.#before = db.prepare(`SELECT ${COLUMNS}, expires_ms FROM ${table} WHERE pk = ? AND id = ?`);
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

  get lsn(): number {
    return this.#lsn;
  }

  read(key: string, id: string): StoredItem | undefined {
    const row = this.#read.get(key, id, this.#clock.now());
    return row === undefined ? undefined : storedItem(row);
  }

  /** What a write needs that only has to know whether there is an item, and which version. */
  version(key: string, id: string): Version | undefined {
    const row = this.#version.get(key, id, this.#clock.now());
    if (row === undefined) return undefined;
    return { etag: row.etag as string, bytes: row.bytes as number, terms: termsOf(row.terms as Uint8Array) };
  }

  get nowMs(): number {
    return this.#clock.now();
  }

  /** A new item; system fields the client sent are replaced. */
  insert(key: string, id: string, item: Record<string, unknown>, text: string): Written {
    const { values, stored, weight } = this.#write(key, id, item, text);
    this.#insert.run(...values, stored.lsn, key, id, firstPart(key));
    return { item: { ...stored, born: stored.lsn }, weight };
  }

  /** A new version of an item that is there. */
  update(key: string, id: string, item: Record<string, unknown>, text: string): Written {
    const { values, stored, weight } = this.#write(key, id, item, text);
    this.#update.run(...values, key, id);
    return { item: stored, weight };
  }

  #write(key: string, id: string, item: Record<string, unknown>, text: string) {
    const nowMs = this.#clock.now();
    const unique = this.#unique.values(item);
    for (const [at, value] of unique.entries()) {
      if (this.#twins[at]?.get(key, value, id, nowMs) !== undefined)
        throw new CosmosError(409, "Unique index constraint violation.");
    }
    const lsn = this.#nextLsn();
    if (this.history !== undefined) this.#record(lsn, key, id);
    const etag = `"${this.number.toString(16).padStart(4, "0")}-${lsn.toString(16).padStart(12, "0")}"`;
    const system = systemFields(etag, Math.floor(nowMs / 1000), itemRid(this.rid, key, id), this.self);
    const body = withSystemFields(item, text, system);
    const expiresMs = this.#expiresMs(item.ttl, nowMs);
    if (expiresMs !== null) this.onExpiry(expiresMs);
    const columns = this.indexes.values(item);
    const terms = this.#terms.of(item, columns);
    const values: SQLInputValue[] = [lsn, body, etag, expiresMs, terms, ...unique, ...columns];
    const weight = { bytes: Buffer.byteLength(body), terms };
    return { values, stored: { id, text: body, etag, lsn, born: 0 }, weight };
  }

  /** All items of a partition key. */
  deletePartition(key: string): void {
    const ids = this.#db.prepare(`SELECT id FROM ${this.table} WHERE pk = ?`).all(key);
    for (const { id } of ids) this.delete(key, String(id));
  }

  measure(): { readonly items: number; readonly bytes: number } {
    const sql = `SELECT count(*) AS items, coalesce(sum(length(body)), 0) AS bytes FROM ${this.table} WHERE ${LIVE}`;
    const row = this.#db.prepare(sql).get(this.#clock.now());
    return { items: Number(row?.items), bytes: Number(row?.bytes) };
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

  needSingle(column: string, within?: "p1"): void {
    const columns = within === undefined ? [column] : [within, column];
    const name = `${this.table}${columns.join("")}`;
    if (this.#singleIndexes.has(name)) return;
    this.#db.exec(
      `CREATE INDEX IF NOT EXISTS ${name} ON ${this.table} (${columns.join(", ")}) WHERE ${column} IS NOT NULL`,
    );
    this.#singleIndexes.add(name);
  }

  select(selection: Selection): Iterable<StoredItem> {
    return this.#selects.select(selection);
  }
}

/** SQLite's bytes need not lie where 32-bit numbers may. */
function termsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
