import type { SQLInputValue } from "node:sqlite";
import type { ContainerView, PartitionScope, Selection } from "../container-view.ts";
import { type Expression, pathOf, type Query } from "./ast.ts";
import { resolved } from "./bindings.ts";

type Simple = { path: string; sign: string; value: string | number };

const SIGNS = new Set(["=", "<", "<=", ">", ">="]);
const MIRRORED: Readonly<Record<string, string>> = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/** Which items a query has to look at, by the indexes there are; the query itself is run over those. */
export function narrow(
  query: Query,
  partition: PartitionScope | undefined,
  container: ContainerView,
  parameters: ReadonlyMap<string, unknown>,
): Selection {
  const { indexes } = container;
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  for (const { path, sign, value } of simpleConditions(query, parameters)) {
    const column = indexes.column(path);
    if (column === undefined) continue;
    if (partition === undefined) container.needSingle(column);
    // Inside a partition, the plus keeps SQLite from preferring this index to the partition's own.
    conditions.push(`${partition === undefined ? "" : "+"}${column} ${sign} ?`);
    values.push(value);
  }
  const columns = columnsOf(query, partition, container);
  const order = columns === undefined ? "born" : { columns };
  return { partition, where: conditions.length === 0 ? "TRUE" : conditions.join(" AND "), values, order };
}

/** The path in the item that an expression names; undefined where it is not one, or one of an array's element. */
export function itemPath(query: Query, expression: Expression): string | undefined {
  const { from } = query;
  if (from === undefined || from.each || from.source.kind === "subquery") return undefined;
  const base = pathOf(resolved(from.source, new Set(), true), () => undefined);
  return pathOf(expression, (name) => (name === from.alias ? base : undefined));
}

/** The conditions every row must meet that compare a path with a number or a text. */
function simpleConditions(query: Query, parameters: ReadonlyMap<string, unknown>): Simple[] {
  const constant = (e: Expression): string | number | undefined => {
    const value =
      e.kind === "constant" ? e.value : e.kind === "parameter" ? parameters.get(e.name) : undefined;
    return typeof value === "string" || typeof value === "number" ? value : undefined;
  };
  const found: Simple[] = [];
  const visit = (e: Expression | undefined): void => {
    if (e?.kind !== "binary") return;
    if (e.sign === "AND") {
      visit(e.left);
      visit(e.right);
    }
    if (!SIGNS.has(e.sign)) return;
    const [leftPath, rightPath] = [itemPath(query, e.left), itemPath(query, e.right)];
    const [leftValue, rightValue] = [constant(e.left), constant(e.right)];
    if (leftPath !== undefined && rightValue !== undefined)
      found.push({ path: leftPath, sign: e.sign, value: rightValue });
    if (rightPath !== undefined && leftValue !== undefined) {
      found.push({ path: rightPath, sign: MIRRORED[e.sign] ?? "=", value: leftValue });
    }
  };
  visit(query.where);
  return found;
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
