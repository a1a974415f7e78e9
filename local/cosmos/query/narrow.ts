import type { SQLInputValue } from "node:sqlite";
import type { ContainerView, PartitionScope, Selection } from "../container-view.ts";
import { type Expression, pathOf, type Query } from "./ast.ts";
import { resolved } from "./bindings.ts";

/** What SQL can tell of a condition: every row that meets it is among those. */
interface Bound {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
  readonly columns: readonly string[];
}

const SIGNS = new Set(["=", "<", "<=", ">", ">="]);
const MIRRORED: Readonly<Record<string, string>> = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/** Which items a query has to look at, by the indexes there are; the query itself is run over those. */
export function narrow(
  query: Query,
  partition: PartitionScope | undefined,
  container: ContainerView,
  parameters: ReadonlyMap<string, unknown>,
): Selection {
  // Inside a partition, the plus keeps SQLite from preferring this index to the partition's own.
  const sign = partition === undefined ? "" : "+";
  const bound = boundOf(query.where, (path) => container.indexes.column(path), { query, parameters, sign });
  if (partition === undefined) for (const column of bound?.columns ?? []) container.needSingle(column);
  const columns = columnsOf(query, partition, container);
  const order = columns === undefined ? "born" : { columns };
  return { partition, where: bound?.sql ?? "TRUE", values: bound?.values ?? [], order };
}

/** The path in the item that an expression names; undefined where it is not one, or one of an array's element. */
export function itemPath(query: Query, expression: Expression): string | undefined {
  const { from } = query;
  if (from === undefined || from.each || from.source.kind === "subquery") return undefined;
  const base = pathOf(resolved(from.source, new Set(), true), () => undefined);
  return pathOf(expression, (name) => (name === from.alias ? base : undefined));
}

interface BoundContext {
  readonly query: Query;
  readonly parameters: ReadonlyMap<string, unknown>;
  readonly sign: string;
}

/**
 * Comparisons of an indexed path with a number or a text, and what AND and OR make of them; undefined where SQL can
 * tell nothing. Of an AND one side will do, of an OR both are needed.
 */
function boundOf(
  e: Expression | undefined,
  columnOf: (path: string) => string | undefined,
  context: BoundContext,
): Bound | undefined {
  if (e?.kind !== "binary") return undefined;
  if (e.sign !== "AND" && e.sign !== "OR") return comparison(e, columnOf, context);
  const left = boundOf(e.left, columnOf, context);
  const right = boundOf(e.right, columnOf, context);
  if (left === undefined || right === undefined) return e.sign === "AND" ? (left ?? right) : undefined;
  return {
    sql: `(${left.sql} ${e.sign} ${right.sql})`,
    values: [...left.values, ...right.values],
    columns: [...left.columns, ...right.columns],
  };
}

function comparison(
  { sign, left, right }: Extract<Expression, { kind: "binary" }>,
  columnOf: (path: string) => string | undefined,
  { query, parameters, sign: prefix }: BoundContext,
): Bound | undefined {
  if (!SIGNS.has(sign)) return undefined;
  const mirrored = itemPath(query, left) === undefined;
  const path = itemPath(query, mirrored ? right : left);
  const column = path === undefined ? undefined : columnOf(path);
  const value = constantOf(mirrored ? left : right, parameters);
  if (column === undefined || value === undefined) return undefined;
  return {
    sql: `${prefix}${column} ${mirrored ? MIRRORED[sign] : sign} ?`,
    values: [value],
    columns: [column],
  };
}

function constantOf(e: Expression, parameters: ReadonlyMap<string, unknown>): string | number | undefined {
  const value = e.kind === "constant" ? e.value : e.kind === "parameter" ? parameters.get(e.name) : undefined;
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}

/** ORDER BY by an index, so that a page can be read without the rest; undefined where none fits. */
function columnsOf(
  query: Query,
  partition: PartitionScope | undefined,
  container: ContainerView,
): string | undefined {
  if (!container.hasColumns || query.orderBy.length === 0 || query.joins.length > 0) return undefined;
  const { indexes } = container;
  const parts = query.orderBy.map(({ by, descending }) => ({ path: itemPath(query, by) ?? "?", descending }));
  const columns = parts.map(({ path }) => indexes.column(path));
  if (columns.includes(undefined)) return undefined;
  const single = parts.length === 1 && partition === undefined;
  if (!single && !(partition !== undefined && !partition.whole && indexes.hasComposite(parts)))
    return undefined;
  if (single) container.needSingle(columns[0] ?? "");
  return parts.map(({ descending }, at) => `${columns[at]} ${descending ? "DESC" : "ASC"}`).join(", ");
}
