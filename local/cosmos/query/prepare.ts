import { badRequest } from "../cosmos-error.ts";
import { Aggregation, type Group, hasAggregate } from "./aggregate.ts";
import type { Expression, Query } from "./ast.ts";
import { type Bind, bindingOf } from "./bindings.ts";
import { type CompileContext, compile } from "./compile.ts";
import { type Keyed, Ordering, type Position } from "./order.ts";
import type { Scope } from "./scope.ts";
import { canonical, type Value } from "./values.ts";

export interface Row {
  readonly value: Value;
  readonly born: number;
  readonly keys: readonly Value[];
}

export interface RunOptions {
  /** The source comes in the query's order already. */
  readonly ordered?: boolean;
  /** Rows without the property they are ordered by are left out. */
  readonly definedOnly?: boolean;
  /** Where to go on; only for a query that keeps its rows apart. */
  readonly after?: Position | undefined;
}

export interface Environment {
  readonly parameters: ReadonlyMap<string, Value>;
  readonly nowMs: number;
}

/** A query made ready to run: everything that can be refused has been. */
export interface Prepared {
  /** Each row comes of one item, so that a position among them can be named. */
  readonly keepsItems: boolean;
  /** Rows at most: of TOP or LIMIT. */
  readonly most: number;
  /** Whether it can be read page by page. As in the service, groups, aggregates and DISTINCT without an order cannot. */
  readonly hasPages: boolean;
  run(source: Iterable<Scope>, options?: RunOptions): Generator<Row>;
}

/** `root`: FROM names the items of the source themselves. @throws CosmosError 400 */
export function prepare(
  query: Query,
  outer: ReadonlySet<string>,
  environment: Environment,
  root: boolean,
): Prepared {
  const context: CompileContext = {
    ...environment,
    aliases: outer,
    subquery: (inner, aliases) => {
      const prepared = prepare(inner, aliases, environment, false);
      return (scope) => [...prepared.run([scope])].map((row) => row.value);
    },
  };
  const { from, joins, whole } = sources(query, context, environment, root);
  const bounds = boundsOf(query, context);
  const where = query.where === undefined ? undefined : compile(query.where, from.context);
  const grouped = query.groupBy.length > 0 || selected(query).some(hasAggregate);
  if (query.groupBy.length > 0 && query.orderBy.length > 0)
    throw badRequest("ORDER BY with GROUP BY is not supported.");
  const ordering = new Ordering(query.orderBy, from.context);
  const finish = grouped ? grouping(query, from.context) : undefined;
  const select = grouped ? undefined : projection(query, from.context);

  function* filtered(source: Iterable<Scope>): Generator<Scope> {
    for (const scope of whole(source)) {
      let rows = from.bind(scope);
      for (const join of joins) rows = rows.flatMap(join);
      for (const row of rows) if (where === undefined || where(row) === true) yield row;
    }
  }

  function* selectedRows(source: Iterable<Scope>, options: RunOptions): Generator<Row> {
    let given = 0;
    for (const { scope, keys } of inOrder(filtered(source), ordering, options)) {
      const value = select?.(scope);
      if (value === undefined) continue;
      const { after } = options;
      const own = after !== undefined && ordering.toPosition({ scope, keys }, after) === 0;
      if (own && given++ < after.rows) continue;
      yield { value, born: scope.born ?? 0, keys };
    }
  }

  return {
    most: bounds.most,
    hasPages: !grouped && (!query.distinct || query.orderBy.length > 0),
    keepsItems: !grouped && !query.distinct && query.from?.source.kind !== "subquery",
    *run(source, options = {}) {
      const rows = finish === undefined ? selectedRows(source, options) : finish(filtered(source));
      const distinct = query.distinct ? unique(rows) : rows;
      const { after } = options;
      let [skip, left] = [after === undefined ? bounds.offset : 0, bounds.most - (after?.total ?? 0)];
      if (left <= 0) return;
      for (const row of distinct) {
        if (skip-- > 0) continue;
        yield row;
        if (--left <= 0) return;
      }
    },
  };
}

function sources(query: Query, context: CompileContext, environment: Environment, root: boolean) {
  const own = new Set<string>();
  const aliases = new Set(context.aliases);
  const inner = { ...context, aliases };
  let bind: Bind = (scope) => [scope];
  let whole: (source: Iterable<Scope>) => Iterable<Scope> = (source) => source;
  const add = (alias: string) => {
    if (own.has(alias)) throw badRequest(`The alias '${alias}' is used more than once.`);
    own.add(alias);
    aliases.add(alias);
  };
  const { from } = query;
  if (from === undefined) {
    if (root) whole = () => [{ names: {} }];
  } else if (root && from.source.kind === "subquery") {
    // Run over all the items at once: it may count them, or tell them apart.
    const rows = prepare(from.source.query, context.aliases, environment, true);
    whole = function* (source) {
      for (const { value } of rows.run(source)) yield { names: { [from.alias]: value } };
    };
    add(from.alias);
  } else {
    bind = bindingOf(from, { ...context, aliases: new Set(context.aliases) }, root);
    add(from.alias);
  }
  const joins = query.joins.map((join) => {
    const joined = bindingOf(join, { ...context, aliases: new Set(aliases) }, false);
    add(join.alias);
    return joined;
  });
  return { from: { bind, context: inner }, joins, whole };
}

function boundsOf(query: Query, context: CompileContext): { offset: number; most: number } {
  if (query.top !== undefined && query.offset !== undefined)
    throw badRequest("TOP and OFFSET LIMIT cannot be used in the same query.");
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

/** One row of aggregates: an order has nothing to do there, and the service passes it over. */
export function withoutIdleOrder(query: Query): Query {
  const idle = query.groupBy.length === 0 && query.orderBy.length > 0 && selected(query).some(hasAggregate);
  return idle ? { ...query, orderBy: [] } : query;
}

export function selected(query: Query): Expression[] {
  const { select } = query;
  if (select.kind === "all") return [];
  return select.kind === "value" ? [select.value] : select.items.map((item) => item.value);
}

function* inOrder(scopes: Iterable<Scope>, ordering: Ordering, options: RunOptions): Generator<Keyed> {
  const { after, definedOnly, ordered } = options;
  const sorted = ordered === true || ordering.none;
  const kept: Keyed[] = [];
  for (const scope of scopes) {
    const keyed = ordering.keyed(scope);
    if (definedOnly === true && keyed.keys[0] === undefined) continue;
    if (after !== undefined && ordering.toPosition(keyed, after) < 0) continue;
    if (sorted) yield keyed;
    else kept.push(keyed);
  }
  yield* kept.sort((a, b) => ordering.compare(a.keys, b.keys));
}

function projection(query: Query, context: CompileContext): (scope: Scope) => Value {
  const { select, from } = query;
  if (select.kind === "all") {
    if (from === undefined) throw badRequest("'SELECT *' is not valid without FROM.");
    if (query.joins.length > 0) throw badRequest("'SELECT *' is not valid with JOIN: name what to select.");
    return (scope) => scope.names[from.alias];
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

function grouping(query: Query, context: CompileContext): (scopes: Iterable<Scope>) => Generator<Row> {
  const { select } = query;
  if (select.kind === "all") throw badRequest("'SELECT *' is not valid with GROUP BY.");
  const keys = query.groupBy.map((each) => compile(each, context));
  const aggregation = new Aggregation(context, query.groupBy);
  const parts = select.kind === "value" ? [{ name: "", value: select.value }] : select.items;
  const items = parts.map(({ name, value }) => ({ name, value: aggregation.compile(value) }));
  const resultOf = (group: Group): Value => {
    if (select.kind === "value") return items[0]?.value(group);
    const all = items.map(({ name, value }) => [name, value(group)] as const);
    return Object.fromEntries(all.filter(([, value]) => value !== undefined));
  };
  return function* (scopes) {
    const groups = new Map<string, Group>();
    for (const scope of scopes) {
      const key = keys.map((each) => canonical(each(scope))).join("\u0000");
      const group = groups.get(key) ?? aggregation.start(scope);
      groups.set(key, group);
      aggregation.add(group, scope);
    }
    if (groups.size === 0 && keys.length === 0) groups.set("", aggregation.start(undefined));
    for (const group of groups.values()) {
      const value = resultOf(group);
      if (value !== undefined) yield { value, born: 0, keys: [] };
    }
  };
}

function* unique(rows: Iterable<Row>): Generator<Row> {
  const seen = new Set<string>();
  for (const row of rows) {
    const text = canonical(row.value);
    if (seen.has(text)) continue;
    seen.add(text);
    yield row;
  }
}
