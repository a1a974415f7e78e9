import type { SQLInputValue } from "node:sqlite";
import type { ContainerView, KeyScope, PartitionScope, Selection, Sorted } from "../container-view.ts";
import { type Expression, pathOf, type Query } from "./ast.ts";
import { resolved } from "./bindings.ts";

/** What SQL can tell of a condition: every row that meets it is among those. */
interface Bound {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
  readonly columns: readonly string[];
  /** Those of the columns that no such row lacks. */
  readonly needed: readonly string[];
  /** Those of the needed that are compared by more than equality. */
  readonly ranged: readonly string[];
}

const SIGNS = new Set(["=", "<", "<=", ">", ">="]);
const MIRRORED: Readonly<Record<string, string>> = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/** Which items a query has to look at, by the indexes there are; the query itself is run over those. */
export function narrow(
  query: Query,
  scope: KeyScope,
  container: ContainerView,
  parameters: ReadonlyMap<string, unknown>,
): Selection {
  const { partition } = scope;
  const columnOf = (path: string) => container.indexes.column(path);
  const bound = (isSearched: (column: string) => boolean, searchesOr: boolean) =>
    boundOf(query.where, columnOf, { query, parameters, isSearched, searchesOr });
  const order = sortedBy(query, partition, container, bound) ?? "born";
  const selection = (found: Bound | undefined): Selection => ({
    ...scope,
    where: found?.sql ?? "TRUE",
    values: found?.values ?? [],
    order,
  });
  const all = bound(() => true, true);
  if (partition !== undefined) {
    // Inside a whole key are few items: its own index is the one to search.
    const foundBy = order === "born" && !partition.whole ? rarest(all) : undefined;
    if (foundBy !== undefined) container.needSingle(foundBy, "p1");
    const own = selection(bound((column) => column === foundBy, true));
    return foundBy === undefined ? own : { ...own, foundBy };
  }
  // A kind or a state is one of few values, and equal for most items: the range is searched where there is one.
  const ranged = all?.ranged ?? [];
  const isSearched = (column: string) => ranged.length === 0 || ranged.includes(column);
  for (const column of all?.columns ?? []) if (isSearched(column)) container.needSingle(column);
  return { ...selection(bound(isSearched, true)), isSearched: ranged.length > 0 };
}

/** Of the columns that no such row lacks, the one that is likely to find fewest: by equality rather than by a range. */
function rarest(bound: Bound | undefined): string | undefined {
  const needed = bound?.needed ?? [];
  return needed.find((column) => bound?.ranged.includes(column) === false) ?? needed[0];
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
  /** Whether SQLite may search an index by the column. */
  readonly isSearched: (column: string) => boolean;
  /** Whether it may do so for each side of an OR: the rows then come in no order. */
  readonly searchesOr: boolean;
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
  const within = e.sign === "OR" && !context.searchesOr ? { ...context, isSearched: () => false } : context;
  const left = boundOf(e.left, columnOf, within);
  const right = boundOf(e.right, columnOf, within);
  if (left === undefined || right === undefined) return e.sign === "AND" ? (left ?? right) : undefined;
  return {
    sql: `(${left.sql} ${e.sign} ${right.sql})`,
    values: [...left.values, ...right.values],
    columns: [...left.columns, ...right.columns],
    needed:
      e.sign === "AND"
        ? [...left.needed, ...right.needed]
        : left.needed.filter((column) => right.needed.includes(column)),
    ranged:
      e.sign === "AND"
        ? [...left.ranged, ...right.ranged]
        : left.ranged.filter((column) => right.ranged.includes(column)),
  };
}

function comparison(
  { sign, left, right }: Extract<Expression, { kind: "binary" }>,
  columnOf: (path: string) => string | undefined,
  { query, parameters, isSearched }: BoundContext,
): Bound | undefined {
  if (!SIGNS.has(sign)) return undefined;
  const mirrored = itemPath(query, left) === undefined;
  const path = itemPath(query, mirrored ? right : left);
  const column = path === undefined ? undefined : columnOf(path);
  const value = constantOf(mirrored ? left : right, parameters);
  if (column === undefined || value === undefined) return undefined;
  // The plus keeps SQLite from an index of the column.
  return {
    sql: `${isSearched(column) ? "" : "+"}${column} ${mirrored ? MIRRORED[sign] : sign} ?`,
    values: [value],
    columns: [column],
    needed: [column],
    ranged: sign === "=" ? [] : [column],
  };
}

function constantOf(e: Expression, parameters: ReadonlyMap<string, unknown>): string | number | undefined {
  const value = e.kind === "constant" ? e.value : e.kind === "parameter" ? parameters.get(e.name) : undefined;
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}

/** ORDER BY by an index, so that a page can be read without the rest; undefined where none fits. */
function sortedBy(
  query: Query,
  partition: PartitionScope | undefined,
  container: ContainerView,
  boundBy: (isSearched: (column: string) => boolean, searchesOr: boolean) => Bound | undefined,
): Sorted | undefined {
  if (!container.hasColumns || query.orderBy.length === 0 || query.joins.length > 0) return undefined;
  const { indexes } = container;
  const parts = query.orderBy.map(({ by, descending }) => ({ path: itemPath(query, by) ?? "?", descending }));
  const found = parts.map(({ path }) => indexes.column(path));
  if (found.includes(undefined)) return undefined;
  const columns = parts.map(({ descending }, at) => `${found[at]} ${descending ? "DESC" : "ASC"}`).join(", ");
  if (partition === undefined) {
    if (parts.length > 1) return undefined;
    container.needSingle(found[0] ?? "");
    return { columns };
  }
  const composite = partition.whole ? undefined : indexes.compositeFor(parts);
  const needs = composite?.columns[0];
  if (composite === undefined || needs === undefined) return undefined;
  const bound = boundBy((column) => composite.columns.includes(column), false);
  const isPartial = bound === undefined || !bound.needed.includes(needs);
  // What the index leaves out sorts first in an ascending order.
  if (isPartial && parts[0]?.descending !== true) return undefined;
  return { columns, by: { name: composite.name, where: bound?.sql ?? "TRUE", needs, isPartial } };
}
