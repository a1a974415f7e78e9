import type { JSONValue, SqlQuerySpec } from "@azure/cosmos";
import type { ItemKind } from "./items.ts";

/** What of a kind is asked for. `where` and `orderBy` name indexed paths first: items they leave out cost nothing. */
export interface KindQuery {
  /** All fields, where nothing else is said. */
  readonly select?: string;
  readonly where?: string;
  readonly orderBy?: string;
  readonly top?: number;
  /** Every item with an id of the kind, even if it names another kind or none: a damaged item must not seem gone. */
  readonly byIds?: true;
  readonly parameters?: Readonly<Record<`@${string}`, JSONValue>>;
}

export type CountQuery = Pick<KindQuery, "where" | "parameters">;
export type CountedKind = ItemKind & { readonly ids: string };

/**
 * The query for items of one kind, or of some. Every query is made here, so that none takes another kind's item for
 * its own. `kind` itself is not indexed, and need not be: Cosmos DB finds by the indexed paths, and looks at the kind of
 * the items that it has to load anyway.
 */
export function queryOf(kinds: ItemKind | readonly ItemKind[], query: KindQuery): SqlQuerySpec {
  const { select = "*", where, orderBy, top } = query;
  const all = "kind" in kinds ? [kinds] : kinds;
  const nameOf = ({ kind, ids }: ItemKind) => (query.byIds && ids !== undefined ? ids : `c.kind = '${kind}'`);
  const named = all.map(nameOf).join(" OR ");
  const of = all.length === 1 ? named : `(${named})`;
  return spec(
    `SELECT ${top === undefined ? "" : `TOP ${top} `}${select} FROM c WHERE ${and(of, where)}`,
    query,
    orderBy,
  );
}

/**
 * How many there are. An aggregate is read off the index alone, or it loads every item there is; so here the kind is
 * named by its ids, which are always indexed.
 */
export function countOf({ ids }: CountedKind, query: CountQuery = {}): SqlQuerySpec {
  return spec(`SELECT VALUE COUNT(1) FROM c WHERE ${and(ids, query.where)}`, query);
}

const and = (kind: string, where: string | undefined) =>
  where === undefined ? kind : `${kind} AND (${where})`;

function spec(text: string, { parameters = {} }: KindQuery, orderBy?: string): SqlQuerySpec {
  return {
    query: orderBy === undefined ? text : `${text} ORDER BY ${orderBy}`,
    parameters: Object.entries(parameters).map(([name, value]) => ({ name, value })),
  };
}
