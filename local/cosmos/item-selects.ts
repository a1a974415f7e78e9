import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { PartitionScope, Selection, StoredItem } from "./container-view.ts";

/** Prepared queries kept for the next time. */
const MAX_KEPT = 200;
/** SQL: whether a key's effective key lies in a range. */
export const IN_RANGE = "is_in_range";
/** What is read of an item. */
export const COLUMNS = "born, lsn, id, body, etag";
/** SQL that selects items which have not expired; its parameter is the time. */
export const LIVE = "(expires_ms IS NULL OR expires_ms > ?)";

/** Reads the items of a container's table that a selection means. */
export class ItemSelects {
  readonly #db: DatabaseSync;
  readonly #table: string;
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, StatementSync>();

  constructor(db: DatabaseSync, table: string, nowMs: () => number) {
    this.#db = db;
    this.#table = table;
    this.#nowMs = nowMs;
  }

  *select(selection: Selection): Generator<StoredItem> {
    const { order } = selection;
    if (typeof order !== "object" || order.by === undefined) {
      yield* this.#rows(selection, this.#table);
      return;
    }
    const { name, where, needs, isPartial } = order.by;
    const inside = { ...selection, where: `${needs} IS NOT NULL AND (${where})` };
    yield* this.#rows(inside, `${this.#table} INDEXED BY ${this.#table}${name}`);
    if (!isPartial) return;
    const outside = `${needs} IS NULL AND (${selection.where ?? "TRUE"})`;
    yield* this.#rows({ ...selection, where: outside, order: { columns: order.columns } }, this.#table);
  }

  *#rows(selection: Selection, from: string): Generator<StoredItem> {
    const { where, values } = this.#conditions(selection);
    const { order, limit, isSearched, foundBy } = selection;
    // The plus keeps SQLite from reading all items in the order of their keys, which saves it the sorting.
    const isSorted = isSearched || foundBy !== undefined;
    const by = typeof order === "object" ? `${order.columns}, born` : isSorted ? `+${order}` : order;
    const end = limit === undefined ? "" : ` LIMIT ${limit}`;
    const sql = `SELECT ${COLUMNS} FROM ${from} WHERE ${where} AND ${LIVE} ORDER BY ${by}${end}`;
    // Taken out while in use: a statement cannot be run twice at a time, as a subquery or a second page might.
    const statement = this.#kept.get(sql) ?? this.#db.prepare(sql);
    this.#kept.delete(sql);
    try {
      for (const row of statement.iterate(...values, this.#nowMs())) yield storedItem(row);
    } finally {
      if (this.#kept.size < MAX_KEPT) this.#kept.set(sql, statement);
    }
  }

  #conditions(selection: Selection): { where: string; values: SQLInputValue[] } {
    const { partition, range, where = "TRUE", values = [], fromBorn, afterLsn, upToLsn } = selection;
    const own = partition === undefined ? undefined : this.#partition(partition, selection);
    const conditions = [...(own?.conditions ?? []), where];
    const all = [...(own?.values ?? []), ...values];
    const add = (condition: string, value: number | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      all.push(value);
    };
    add("born >= ?", fromBorn);
    add("lsn > ?", afterLsn);
    add("lsn <= ?", upToLsn);
    if (range !== undefined) {
      conditions.push(`${IN_RANGE}(pk, ?, ?)`);
      all.push(range.from, range.to);
    }
    return { where: conditions.map((condition) => `(${condition})`).join(" AND "), values: all };
  }

  /**
   * A prefix of components is a prefix of the stored text; \u0002 is the first character behind its separator.
   * In the order of creation, the numbers are looked up first: the index of keys holds them, so nothing is sorted.
   */
  #partition({ key, whole }: PartitionScope, { order, foundBy }: Selection) {
    const range = whole ? ["pk = ?"] : ["pk >= ?", "pk < ?"];
    const values = whole ? [key] : [key, `${key.slice(0, -1)}\u0002`];
    const inside = foundBy !== undefined || (typeof order === "object" && order.by !== undefined);
    if (order === "born" && !inside) {
      return {
        conditions: [`born IN (SELECT born FROM ${this.#table} WHERE ${range.join(" AND ")})`],
        values,
      };
    }
    if (!inside) return { conditions: range, values };
    const first = firstPart(key);
    if (first === key) return { conditions: ["p1 = ?"], values: [first] };
    return { conditions: ["p1 = ?", ...range.map((each) => `+${each}`)], values: [first, ...values] };
  }
}

export function storedItem(row: Record<string, unknown>): StoredItem {
  return {
    id: row.id as string,
    text: row.body as string,
    etag: row.etag as string,
    lsn: row.lsn as number,
    born: row.born as number,
  };
}

/** The first component of a key text, by which a prefix query of hierarchical keys is narrowed. */
export function firstPart(key: string): string {
  return key.slice(0, key.indexOf("\u0001") + 1);
}
