import type { ContainerView } from "../container-view.ts";
import { badRequest } from "../cosmos-error.ts";
import type { Expression, Query } from "./ast.ts";
import type { Scope } from "./compile.ts";
import { narrow, type PartitionScope } from "./narrow.ts";
import { parseQuery } from "./parser.ts";
import { rowsOf } from "./rows.ts";
import { typeOf, type Value } from "./values.ts";

export interface QueryRequest {
  readonly query: string;
  readonly parameters?: readonly { readonly name: string; readonly value: Value }[];
}

export interface QueryResult {
  readonly rows: readonly Value[];
  /** Items that were looked at, for the request charge. */
  readonly looked: number;
}

/** An application has few queries, and runs them often. */
const parsed = new Map<string, Query>();
const MAX_PARSED = 500;

function parsedQuery(text: string): Query {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const query = parseQuery(text);
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(text, query);
  return query;
}

/** @throws CosmosError 400 for a query that is not valid, or that this emulator does not serve */
export function runQuery(
  container: ContainerView,
  request: QueryRequest,
  partition: PartitionScope | undefined,
): QueryResult {
  if (typeof request.query !== "string") throw badRequest("The query is missing.");
  const query = parsedQuery(request.query);
  refuseOrder(query, container);
  const parameters = new Map((request.parameters ?? []).map(({ name, value }) => [name, value]));
  const narrowed = narrow(query, partition, container, parameters);
  let looked = 0;
  const mixed = { found: false };
  const source = function* (order: string): Generator<Scope> {
    for (const item of container.select({ ...narrowed, order })) {
      looked++;
      yield { names: { [query.from.alias]: JSON.parse(item.text) } };
    }
  };
  if (narrowed.ordered) {
    const rows = rowsOf(query, watched(source(narrowed.order), query, mixed), parameters, { ordered: true });
    // SQLite orders numbers and texts as Azure does, but not what has neither: then everything is sorted here.
    if (!mixed.found) return { rows, looked };
  }
  const rows = rowsOf(query, source(""), parameters);
  return { rows, looked };
}

function* watched(source: Iterable<Scope>, query: Query, mixed: { found: boolean }): Generator<Scope> {
  const types = new Map<string, string>();
  for (const scope of source) {
    for (const { by } of query.orderBy) {
      const type = typeOf(valueAt(by, scope));
      const name = JSON.stringify(by);
      const known = types.get(name) ?? type;
      types.set(name, known);
      if (type !== known || (type !== "number" && type !== "string")) mixed.found = true;
    }
    yield scope;
  }
}

function valueAt(path: Expression, scope: Scope): Value {
  if (path.kind === "name") return scope.names[path.name];
  if (path.kind !== "member" || path.name.kind !== "constant") return undefined;
  const owner = valueAt(path.of, scope);
  return typeof owner === "object" && owner !== null
    ? (owner as Record<string, Value>)[String(path.name.value)]
    : undefined;
}

/** As Azure does: several fields need a composite index that fits, one field an index at all. */
function refuseOrder(query: Query, container: ContainerView): void {
  if (query.orderBy.length < 2) return;
  const { alias } = query.from;
  const order = query.orderBy.map(({ by, descending }) => ({ path: pathText(by, alias), descending }));
  if (!container.indexes.hasComposite(order)) {
    throw badRequest(
      "The order by query does not have a corresponding composite index that it can be served from.",
    );
  }
}

function pathText(expression: Expression, alias: string): string {
  if (expression.kind === "name" && expression.name === alias) return "";
  if (expression.kind === "member" && expression.name.kind === "constant") {
    return `${pathText(expression.of, alias)}/${String(expression.name.value)}`;
  }
  return "?";
}
