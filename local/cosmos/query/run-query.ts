import type { ContainerView, KeyScope } from "../container-view.ts";
import { badRequest, CosmosError } from "../cosmos-error.ts";
import type { Query } from "./ast.ts";
import { narrow } from "./narrow.ts";
import type { Position } from "./order.ts";
import { checkOrder, needsDefined } from "./order-check.ts";
import { parseQuery } from "./parser.ts";
import { type Prepared, prepare, type Row, withoutIdleOrder } from "./prepare.ts";
import type { Scope } from "./scope.ts";
import { typeOf, type Value } from "./values.ts";

export interface QueryRequest {
  readonly query: string;
  readonly parameters?: readonly { readonly name: string; readonly value: Value }[];
}

/** An application has few queries, and runs them often. */
const parsed = new Map<string, Query>();
const MAX_PARSED = 500;

function parsedQuery(text: string): Query {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const query = withoutIdleOrder(parseQuery(text));
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(text, query);
  return query;
}

/** A query on its way: rows are made as they are taken. */
export class RunningQuery {
  readonly #view: ContainerView;
  readonly #query: Query;
  readonly #parameters: ReadonlyMap<string, Value>;
  readonly #scope: KeyScope;
  readonly #prepared: Prepared;
  /** Items that were looked at, for the request charge. */
  looked = 0;
  lookedChars = 0;
  #mixed = false;

  /** @throws CosmosError 400 for a query that is not valid, or that this emulator does not serve */
  constructor(view: ContainerView, request: QueryRequest, scope: KeyScope) {
    if (typeof request.query !== "string") throw badRequest("The query is missing.");
    this.#view = view;
    this.#scope = scope;
    this.#parameters = parametersOf(request);
    try {
      this.#query = parsedQuery(request.query);
      const environment = { parameters: this.#parameters, nowMs: view.nowMs };
      this.#prepared = prepare(this.#query, new Set(), environment, true);
    } catch (thrown) {
      if (thrown instanceof RangeError && !(thrown instanceof CosmosError))
        throw badRequest("The query is too deeply nested for this emulator.");
      throw thrown;
    }
    checkOrder(this.#query, view.indexes);
  }

  /** Each row comes of one item: the query can go on from a position, whatever is written meanwhile. */
  get keepsItems(): boolean {
    return this.#prepared.keepsItems;
  }

  get hasPages(): boolean {
    return this.#prepared.hasPages;
  }

  /** Rows at most, over all pages. */
  get most(): number {
    return this.#prepared.most;
  }

  /**
   * The rows that `take` asks for. SQLite orders numbers and texts as Azure does, but not other values. If such a value
   * turns up, everything is sorted here and `take` starts again.
   */
  rows<T>(after: Position | undefined, take: (rows: Iterable<Row>) => T): T {
    const selection = narrow(this.#query, this.#scope, this.#view, this.#parameters);
    const definedOnly = needsDefined(this.#query, this.#view.indexes);
    if (typeof selection.order === "object") {
      const source = this.#watched(this.#scopes(selection));
      const taken = take(this.#prepared.run(source, { ordered: true, after }));
      if (!this.#mixed) return taken;
    }
    const fromBorn = this.#query.orderBy.length === 0 ? after?.born : undefined;
    // What is sorted here may come in any order: the indexes find it.
    const isSearched = selection.isSearched === true || this.#query.orderBy.length > 0;
    const source = this.#scopes({ ...selection, order: "born", fromBorn, isSearched });
    return take(this.#prepared.run(source, { definedOnly, after }));
  }

  *#scopes(selection: Parameters<ContainerView["select"]>[0]): Generator<Scope> {
    for (const item of this.#view.select(selection)) {
      this.looked++;
      this.lookedChars += item.text.length;
      yield { names: {}, root: JSON.parse(item.text), born: item.born };
    }
  }

  *#watched(source: Iterable<Scope>): Generator<Scope> {
    const types = new Map<number, string>();
    const paths = this.#query.orderBy.map(({ by }) => by);
    for (const scope of source) {
      for (const [at, path] of paths.entries()) {
        const type = typeOf(valueAt(path, scope));
        const known = types.get(at) ?? type;
        types.set(at, known);
        if (type !== known || (type !== "number" && type !== "string")) this.#mixed = true;
      }
      yield scope;
    }
  }
}

function parametersOf({ parameters }: QueryRequest): ReadonlyMap<string, Value> {
  if (parameters === undefined) return new Map();
  if (!Array.isArray(parameters))
    throw badRequest("The parameters of a query are a list of names and values.");
  return new Map(parameters.map(({ name, value }) => [name, value]));
}

/** The value at a path whose first name is the item. */
function valueAt(path: Query["orderBy"][number]["by"], scope: Scope): Value {
  if (path.kind !== "member" || path.name.kind !== "constant") return scope.root;
  const owner = valueAt(path.of, scope);
  return typeof owner === "object" && owner !== null
    ? (owner as Record<string, Value>)[String(path.name.value)]
    : undefined;
}
