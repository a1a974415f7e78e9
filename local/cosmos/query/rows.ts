import { badRequest } from "../cosmos-error.ts";
import { compileGrouped, hasAggregate } from "./aggregate.ts";
import type { Expression, Query } from "./ast.ts";
import { type CompileContext, compile, type Scope } from "./compile.ts";
import { compareAcross, equal, typeOf, type Value } from "./values.ts";

export interface RowOptions {
  /** The rows come in the query's order already: stop as soon as there are enough. */
  readonly ordered?: boolean;
}

/** Runs a query over rows whose names are bound: WHERE, GROUP BY, ORDER BY, SELECT, DISTINCT, OFFSET and LIMIT. */
export function rowsOf(
  query: Query,
  source: Iterable<Scope>,
  parameters: ReadonlyMap<string, Value>,
  options: RowOptions = {},
): Value[] {
  const first = source[Symbol.iterator]().next();
  const outer = first.done === true ? [] : Object.keys(first.value.names);
  const aliases = new Set([...outer, query.from.alias, ...query.joins.map((join) => join.alias)]);
  const context: CompileContext = {
    parameters,
    aliases,
    subquery: (inner, scope) => rowsOf(inner, [scope], parameters),
  };
  const { offset, most } = bounds(query, context);
  const limit =
    options.ordered === true || query.orderBy.length === 0 ? offset + most : Number.POSITIVE_INFINITY;
  const grouped = query.groupBy.length > 0 || selectExpressions(query).some(hasAggregate);
  const scopes = filtered(
    query,
    chain(first, source),
    context,
    grouped || query.distinct ? Number.POSITIVE_INFINITY : limit,
  );
  const values = grouped ? groups(query, scopes, context) : singles(query, scopes, context, options);
  const distinct = query.distinct ? unique(values) : values;
  return distinct.slice(offset, offset + most);
}

function* chain(first: IteratorResult<Scope>, rest: Iterable<Scope>): Generator<Scope> {
  if (Array.isArray(rest)) {
    yield* rest;
    return;
  }
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function bounds(query: Query, context: CompileContext): { offset: number; most: number } {
  const count = (expression: Expression | undefined, otherwise: number, what: string): number => {
    if (expression === undefined) return otherwise;
    const value = compile(expression, { ...context, aliases: new Set() })({ names: {} });
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    throw badRequest(`${what} must be a whole number, not negative.`);
  };
  const top = count(query.top, Number.POSITIVE_INFINITY, "TOP");
  const limit = count(query.limit, Number.POSITIVE_INFINITY, "LIMIT");
  return { offset: count(query.offset, 0, "OFFSET"), most: Math.min(top, limit) };
}

function selectExpressions(query: Query): Expression[] {
  const { select } = query;
  if (select.kind === "all") return [];
  return select.kind === "value" ? [select.value] : select.items.map((item) => item.value);
}

/** Rows after FROM … IN, JOIN and WHERE; no more than `limit`. */
function filtered(query: Query, source: Iterable<Scope>, context: CompileContext, limit: number): Scope[] {
  const where = query.where === undefined ? undefined : compile(query.where, context);
  const from = query.from.source === undefined ? undefined : compile(query.from.source, context);
  const joins = query.joins.map((join) => ({ alias: join.alias, list: compile(join.source, context) }));
  const found: Scope[] = [];
  for (const scope of source) {
    if (found.length >= limit) break;
    let rows = from === undefined ? [scope] : unfolded(scope, query.from.alias, from(scope));
    for (const { alias, list } of joins) rows = rows.flatMap((row) => unfolded(row, alias, list(row)));
    for (const row of rows) if (where === undefined || where(row) === true) found.push(row);
  }
  return found;
}

function unfolded(scope: Scope, alias: string, list: Value): Scope[] {
  return Array.isArray(list) ? list.map((element) => ({ names: { ...scope.names, [alias]: element } })) : [];
}

function singles(query: Query, scopes: Scope[], context: CompileContext, options: RowOptions): Value[] {
  const select = projection(query, context);
  const sorted = options.ordered === true ? scopes : inOrder(query, scopes, context);
  return sorted.map(select).filter((value) => value !== undefined);
}

function inOrder(query: Query, scopes: Scope[], context: CompileContext): Scope[] {
  if (query.orderBy.length === 0) return scopes;
  const by = query.orderBy.map(({ by: expression, descending }) => ({
    key: compile(expression, context),
    sign: descending ? -1 : 1,
  }));
  const keyed = scopes.map((scope) => ({ scope, keys: by.map(({ key }) => key(scope)) }));
  keyed.sort((a, b) => {
    for (const [at, { sign }] of by.entries()) {
      const order = compareAcross(a.keys[at], b.keys[at]) * sign;
      if (order !== 0) return order;
    }
    return 0;
  });
  return keyed.map(({ scope }) => scope);
}

function projection(query: Query, context: CompileContext): (scope: Scope) => Value {
  const { select } = query;
  if (select.kind === "all") {
    if (query.joins.length > 0) throw badRequest("'SELECT *' is not valid with JOIN: name what to select.");
    return (scope) => scope.names[query.from.alias];
  }
  if (select.kind === "value") return compile(select.value, context);
  const items = select.items.map(({ name, value }) => ({ name, value: compile(value, context) }));
  return (scope) => {
    const row: Record<string, Value> = {};
    for (const { name, value } of items) {
      const found = value(scope);
      if (found !== undefined) row[name] = found;
    }
    return row;
  };
}

function groups(query: Query, scopes: Scope[], context: CompileContext): Value[] {
  if (query.orderBy.length > 0) throw badRequest("ORDER BY with GROUP BY or an aggregate is not supported.");
  const keys = query.groupBy.map((each) => compile(each, context));
  const grouped = new Map<string, Scope[]>();
  for (const scope of scopes) {
    const key = JSON.stringify(keys.map((each) => [typeOf(each(scope)), each(scope)]));
    const group = grouped.get(key);
    if (group === undefined) grouped.set(key, [scope]);
    else group.push(scope);
  }
  if (grouped.size === 0 && keys.length === 0) grouped.set("", []);
  const select = groupedProjection(query, context);
  return [...grouped.values()].map(select).filter((value) => value !== undefined);
}

function groupedProjection(query: Query, context: CompileContext): (group: readonly Scope[]) => Value {
  const { select } = query;
  if (select.kind === "all") throw badRequest("'SELECT *' is not valid with GROUP BY.");
  if (select.kind === "value") return compileGrouped(select.value, context);
  const items = select.items.map(({ name, value }) => ({ name, value: compileGrouped(value, context) }));
  return (group) =>
    Object.fromEntries(
      items.map(({ name, value }) => [name, value(group)]).filter(([, value]) => value !== undefined),
    );
}

function unique(values: readonly Value[]): Value[] {
  const seen = new Map<string, Value[]>();
  return values.filter((value) => {
    const key = typeof value === "object" ? "object" : `${typeof value}${String(value)}`;
    const alike = seen.get(key) ?? [];
    if (alike.some((each) => equal(each, value))) return false;
    seen.set(key, [...alike, value]);
    return true;
  });
}
