import type { SQLInputValue } from "node:sqlite";
import type { ContainerView, Selection } from "../container-view.ts";
import type { Expression, Query } from "./ast.ts";

/** Which rows of a container's table a query has to look at, as SQL; the query itself is run over those. */
export interface Narrowed extends Selection {
  /** The rows come in the query's order, where its keys are all numbers or all texts. */
  readonly ordered: boolean;
}

/** What a request says of the partition: nothing, the first components, or the whole key. */
export interface PartitionScope {
  readonly key: string;
  readonly whole: boolean;
}

type Simple = { path: string; sign: string; value: string | number };

const SIGNS = new Set(["=", "<", "<=", ">", ">="]);
const MIRRORED: Readonly<Record<string, string>> = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

export function narrow(
  query: Query,
  partition: PartitionScope | undefined,
  container: ContainerView,
  parameters: ReadonlyMap<string, unknown>,
): Narrowed {
  const { indexes } = container;
  const order = orderOf(query, partition, container);
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  if (partition !== undefined) {
    const { key, whole } = partition;
    const first = key.slice(0, key.indexOf("\u0001") + 1);
    // A prefix of components is a prefix of the stored text; \u0002 is the first character behind its separator.
    if (whole) conditions.push("pk = ?");
    else if (order !== undefined) conditions.push("p1 = ?");
    else conditions.push("pk >= ?", "pk < ?");
    values.push(...(whole ? [key] : order !== undefined ? [first] : [key, `${key.slice(0, -1)}\u0002`]));
    if (!whole && order !== undefined && key !== first) {
      conditions.push("+pk >= ?", "+pk < ?");
      values.push(key, `${key.slice(0, -1)}\u0002`);
    }
  }
  for (const { path, sign, value } of simpleConditions(query, parameters)) {
    const column = indexes.column(path);
    if (column === undefined) continue;
    if (partition === undefined) container.needSingle(column);
    // Inside a partition, the plus keeps SQLite from preferring this index to the partition's own.
    conditions.push(`${partition === undefined ? "" : "+"}${column} ${sign} ?`);
    values.push(value);
  }
  const where = conditions.length === 0 ? "TRUE" : conditions.join(" AND ");
  const covers = (key: string) =>
    partition === undefined || (partition.whole ? key === partition.key : key.startsWith(partition.key));
  return { where, order: order ?? "", values, covers, ordered: order !== undefined };
}

function pathOf(expression: Expression, alias: string): string | undefined {
  if (expression.kind === "name") return expression.name === alias ? "" : undefined;
  if (expression.kind !== "member" || expression.name.kind !== "constant") return undefined;
  const parent = pathOf(expression.of, alias);
  const { value } = expression.name;
  return parent === undefined || typeof value !== "string" ? undefined : `${parent}/${value}`;
}

/** The conditions every row must meet that compare a path with a number or a text. */
function simpleConditions(query: Query, parameters: ReadonlyMap<string, unknown>): Simple[] {
  if (query.from.source !== undefined) return [];
  const { alias } = query.from;
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
    const [leftPath, rightPath] = [pathOf(e.left, alias), pathOf(e.right, alias)];
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
function orderOf(
  query: Query,
  partition: PartitionScope | undefined,
  container: ContainerView,
): string | undefined {
  if (
    !container.inOrder ||
    query.orderBy.length === 0 ||
    query.from.source !== undefined ||
    query.joins.length > 0
  )
    return undefined;
  const { indexes } = container;
  const parts = query.orderBy.map(({ by, descending }) => ({
    path: pathOf(by, query.from.alias) ?? "",
    descending,
  }));
  const columns = parts.map(({ path }) => indexes.column(path));
  if (columns.includes(undefined)) return undefined;
  const single = parts.length === 1 && partition === undefined;
  if (!single && !(partition !== undefined && !partition.whole && indexes.hasComposite(parts)))
    return undefined;
  if (single) container.needSingle(columns[0] ?? "");
  return `ORDER BY ${parts.map(({ descending }, at) => `${columns[at]} ${descending ? "DESC" : "ASC"}`).join(", ")}`;
}
