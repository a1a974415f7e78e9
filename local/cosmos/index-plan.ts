import type { IndexingPolicy } from "./container-definition.ts";

/** A property path of a policy, `/a/b/?` or `/a/b`. */
const isScalarPath = (path: string) => /^\/[A-Za-z_][\w/]*(\/\?)?$/.test(path);
const bare = (path: string) => path.replace(/\/\?$/, "");
const columnOf = (path: string) => `x${path.replace(/\W/g, "_")}`;

export type Indexed = string | number | null;

/** A path of a policy: `/a/b/?` is one value, `/a/*` all below, `/` the same as `/*`. */
interface PolicyPath {
  readonly names: readonly string[];
  readonly below: boolean;
}

function policyPath(text: string): PolicyPath {
  if (text === "/") return { names: [], below: true };
  const names = text.replaceAll('"', "").split("/").slice(1);
  const last = names.at(-1);
  return last === "?" || last === "*"
    ? { names: names.slice(0, -1), below: last === "*" }
    : { names, below: false };
}

/** How closely a policy's path fits: the closest of all decides; below 0: not at all. */
function closeness({ names, below }: PolicyPath, path: readonly string[]): number {
  const fits = names.every((name, at) => name === path[at]) && (below || names.length === path.length);
  return fits ? names.length * 2 + (below ? 0 : 1) : -1;
}

/** Indexed whatever the policy says. */
const ALWAYS_INDEXED = new Set(["/id", "/_ts"]);

/** A composite index of the policy. */
interface Composite {
  readonly paths: readonly string[];
  readonly descending: readonly boolean[];
  /** Columns of its paths; the index leaves out the items that have no value in the first. */
  readonly columns: readonly string[];
  /** Those of the other composite indexes: what else a query filters by is told without a look at the item. */
  readonly more: readonly string[];
  /** Behind the table's name, the index's own in SQLite: another policy's is another index. */
  readonly name: string;
}

function compositesOf(policy: NonNullable<IndexingPolicy["compositeIndexes"]>): Composite[] {
  const all = [...new Set(policy.flat().map((part) => columnOf(bare(part.path))))];
  return policy.map((parts) => {
    const paths = parts.map((part) => bare(part.path));
    const descending = parts.map((part) => part.order === "descending");
    const columns = paths.map(columnOf);
    const more = all.filter((column) => !columns.includes(column)).sort();
    const order = columns.map((column, at) => `${column}_${descending[at] ? "desc" : "asc"}`);
    return { paths, descending, columns, more, name: `_order_${[...order, ...more].join("_")}` };
  });
}

/**
 * What a container's indexing policy means in SQLite: a column for each indexed scalar path, filled from the item
 * as it is written; an index for each composite index, inside the first component of the partition key. The index of
 * a single path is made when a query first needs it, because each index costs every write.
 */
export class IndexPlan {
  readonly paths: readonly string[];
  readonly composites: readonly Composite[];
  readonly #included: readonly PolicyPath[];
  readonly #excluded: readonly PolicyPath[];
  readonly #none: boolean;
  readonly #columns: ReadonlyMap<string, string>;
  readonly #parts: readonly (readonly string[])[];

  constructor(policy: IndexingPolicy | undefined) {
    const included = policy?.includedPaths?.map((each) => each.path) ?? [];
    this.#none = policy?.indexingMode?.toLowerCase() === "none";
    this.#included = policy?.includedPaths === undefined ? [policyPath("/*")] : included.map(policyPath);
    this.#excluded = (policy?.excludedPaths ?? []).map((each) => policyPath(each.path));
    this.composites = compositesOf(policy?.compositeIndexes ?? []);
    const wanted = [
      ...included.filter(isScalarPath).map(bare),
      ...this.composites.flatMap((each) => each.paths),
    ];
    this.paths = [...new Set(wanted)].sort();
    this.#columns = new Map(this.paths.map((path) => [path, columnOf(path)]));
    this.#parts = this.paths.map((path) => path.slice(1).split("/"));
  }

  /** Whether ORDER BY may use the path. */
  isIndexed(path: string): boolean {
    return !this.#none && (ALWAYS_INDEXED.has(path) || this.includes(path));
  }

  /** Whether the policy has a value at the path indexed. */
  includes(path: string): boolean {
    if (this.#none) return false;
    const names = path.split("/").slice(1);
    const closest = (paths: readonly PolicyPath[]) =>
      Math.max(-1, ...paths.map((each) => closeness(each, names)));
    return closest(this.#included) > closest(this.#excluded);
  }

  /** Whether the policy has any value below the path indexed. */
  includesBelow(path: string): boolean {
    const start = path.split("/").slice(1);
    const isBelow = ({ names }: PolicyPath) =>
      names.length > start.length && start.every((name, at) => name === names[at]);
    return this.includes(`${path}/?`) || (!this.#none && this.#included.some(isBelow));
  }

  /** Whether the policy names the path itself: then items without it are in the index too. */
  isNamed(path: string): boolean {
    return ALWAYS_INDEXED.has(path) || this.#columns.has(path);
  }

  /** The column of a path; undefined for one that is not indexed. */
  column(path: string): string | undefined {
    return this.#columns.get(path);
  }

  get columns(): readonly string[] {
    return [...this.#columns.values()];
  }

  /** An item's values for the columns. Only texts and numbers are kept: a query reads the rest from the item. */
  values(item: Record<string, unknown>): Indexed[] {
    return this.#parts.map((names) => {
      let value: unknown = item;
      for (const name of names) {
        value =
          typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
      }
      return typeof value === "string" || typeof value === "number" ? value : null;
    });
  }

  /** The composite index that serves this order, or its reverse. */
  compositeFor(order: readonly { path: string; descending: boolean }[]): Composite | undefined {
    const fits = (composite: Composite, reverse: boolean) =>
      composite.paths.length === order.length &&
      order.every(
        (part, at) =>
          part.path === composite.paths[at] && composite.descending[at] === (part.descending !== reverse),
      );
    return this.composites.find((composite) => fits(composite, false) || fits(composite, true));
  }
}
