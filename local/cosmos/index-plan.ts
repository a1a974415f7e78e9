import type { IndexingPolicy } from "./container-definition.ts";

/** A property path of a policy, `/a/b/?` or `/a/b`. */
const isScalarPath = (path: string) => /^\/[A-Za-z_][\w/]*(\/\?)?$/.test(path);
const bare = (path: string) => path.replace(/\/\?$/, "");

export type Indexed = string | number | null;

interface Composite {
  readonly paths: readonly string[];
  readonly descending: readonly boolean[];
}

/**
 * What a container's indexing policy comes to in SQLite: a column for each indexed scalar path, filled from the item
 * as it is written; an index for each composite index, inside the first component of the partition key. The index of
 * a single path is made when a query first needs it, for a write pays for each.
 */
export class IndexPlan {
  readonly paths: readonly string[];
  readonly composites: readonly Composite[];
  readonly #columns: ReadonlyMap<string, string>;
  readonly #parts: readonly (readonly string[])[];

  constructor(policy: IndexingPolicy | undefined) {
    const included = policy?.includedPaths?.map((each) => each.path) ?? [];
    this.composites = (policy?.compositeIndexes ?? []).map((parts) => ({
      paths: parts.map((part) => bare(part.path)),
      descending: parts.map((part) => part.order === "descending"),
    }));
    const wanted = [
      ...included.filter(isScalarPath).map(bare),
      ...this.composites.flatMap((each) => each.paths),
    ];
    this.paths = [...new Set(wanted)].sort();
    this.#columns = new Map(this.paths.map((path) => [path, `x${path.replace(/\W/g, "_")}`]));
    this.#parts = this.paths.map((path) => path.slice(1).split("/"));
  }

  /** The column of a path; undefined for one that is not indexed. */
  column(path: string): string | undefined {
    return this.#columns.get(path);
  }

  get columns(): readonly string[] {
    return [...this.#columns.values()];
  }

  /** An item's values for the columns. Only texts and numbers are kept: a query looks at the rest by itself. */
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

  /** Whether a composite index serves this order, or its reverse. */
  hasComposite(order: readonly { path: string; descending: boolean }[]): boolean {
    const fits = (composite: Composite, reverse: boolean) =>
      composite.paths.length === order.length &&
      order.every(
        (part, at) =>
          part.path === composite.paths[at] && composite.descending[at] === (part.descending !== reverse),
      );
    return this.composites.some((composite) => fits(composite, false) || fits(composite, true));
  }
}
