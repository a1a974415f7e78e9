import type { DatabaseSync } from "node:sqlite";
import type { IndexPlan } from "./index-plan.ts";
import type { IndexTerms } from "./index-terms.ts";
import { systemFields, withSystemFields } from "./item-text.ts";
import { itemRid } from "./rid.ts";
import type { UniqueKeys } from "./unique-keys.ts";

/**
 * The table of a container's items. `born` is the lsn an item was created with, `p1` the first component of its key,
 * `terms` its terms in the indexes, as hashes; a column for each path that the indexing policy names.
 */
function columnsOf(indexes: IndexPlan, unique: UniqueKeys): string {
  const more = [
    ...unique.columns.map((name) => `, ${name} TEXT`),
    ...indexes.columns.map((name) => `, ${name} ANY`),
  ];
  return `born INTEGER PRIMARY KEY, lsn INTEGER NOT NULL, pk TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    etag TEXT NOT NULL, expires_ms INTEGER, p1 TEXT NOT NULL, terms BLOB NOT NULL${more.join("")},
    UNIQUE (pk, id)`;
}

const KEPT = ["born", "lsn", "pk", "id", "body", "etag", "expires_ms", "p1"];

/** What a table's rows are filled from. */
interface Derived {
  /** The container's resource id, and its `_self`. */
  readonly rid: string;
  readonly self: string;
  readonly indexes: IndexPlan;
  readonly unique: UniqueKeys;
  readonly terms: IndexTerms;
}

/** Makes the table, or brings one of an older version or another policy up to date, and its indexes. */
export function makeTable(db: DatabaseSync, table: string, derived: Derived): void {
  const { indexes, unique } = derived;
  const wanted = [...KEPT, "terms", ...unique.columns, ...indexes.columns];
  const found = db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
  const there = found.map((row) => String(row.name));
  if (there.length === 0) db.exec(`CREATE TABLE ${table} (${columnsOf(indexes, unique)}) STRICT`);
  else if (wanted.some((name) => !there.includes(name))) rebuild(db, table, derived, there.includes("born"));
  db.exec(`CREATE INDEX IF NOT EXISTS ${table}_lsn ON ${table} (lsn);
    CREATE INDEX IF NOT EXISTS ${table}_expires ON ${table} (expires_ms) WHERE expires_ms IS NOT NULL`);
  for (const name of unique.columns)
    db.exec(`CREATE INDEX IF NOT EXISTS ${table}_${name} ON ${table} (pk, ${name})`);
  makeSortIndexes(db, table, indexes);
}

/**
 * An index for each composite one of the policy; those of an earlier policy or version go. Of a container's items few
 * kinds have what it sorts by, and a write pays for each entry: so the others are left out of it.
 */
function makeSortIndexes(db: DatabaseSync, table: string, { composites }: IndexPlan): void {
  const wanted = new Set(composites.map(({ name }) => `${table}${name}`));
  const found = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?").all(table);
  for (const { name } of found) {
    const isSortIndex = [`${table}_order_`, `${table}_composite_`].some((start) =>
      String(name).startsWith(start),
    );
    if (isSortIndex && !wanted.has(String(name))) db.exec(`DROP INDEX ${name}`);
  }
  for (const { name, columns, descending, more } of composites) {
    const parts = columns.map((column, at) => `${column} ${descending[at] === true ? "DESC" : "ASC"}`);
    const all = ["p1", ...parts, "born", ...more].join(", ");
    db.exec(
      `CREATE INDEX IF NOT EXISTS ${table}${name} ON ${table} (${all}) WHERE ${columns[0]} IS NOT NULL`,
    );
  }
}

/** Version 1 had no `born`: its lsn is used instead. Up to version 3, resource ids were different. */
function rebuild(
  db: DatabaseSync,
  table: string,
  { rid, self, indexes, unique, terms }: Derived,
  hasBorn: boolean,
): void {
  const fresh = `${table}_fresh`;
  const names = [...KEPT, "terms", ...unique.columns, ...indexes.columns];
  db.exec(
    `SAVEPOINT rebuild; DROP TABLE IF EXISTS ${fresh}; CREATE TABLE ${fresh} (${columnsOf(indexes, unique)}) STRICT`,
  );
  const insert = db.prepare(
    `INSERT INTO ${fresh} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
  );
  const rows = db.prepare(
    `SELECT ${hasBorn ? "born" : "lsn AS born"}, lsn, pk, id, body, etag, expires_ms, p1 FROM ${table} ORDER BY 1`,
  );
  for (const row of rows.iterate()) {
    const item = JSON.parse(String(row.body));
    const system = systemFields(
      String(row.etag),
      Number(item._ts ?? 0),
      itemRid(rid, String(row.pk), String(row.id)),
      self,
    );
    const body = withSystemFields(item, String(row.body), system);
    const kept = KEPT.map((name) => (name === "body" ? body : (row[name] ?? null)));
    const values = indexes.values(item);
    insert.run(...kept, terms.of(item, values), ...unique.values(item), ...values);
  }
  db.exec(`DROP TABLE ${table}; ALTER TABLE ${fresh} RENAME TO ${table}; RELEASE rebuild`);
}
