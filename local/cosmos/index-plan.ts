import type { IndexingPolicy } from "./container-definition.ts";

/** A property path of a container's items, `/a/b/?` in a policy, as a SQLite expression over the stored text. */
function expressionOf(path: string): string {
  const names = path
    .replace(/\/[?*]$/, "")
    .slice(1)
    .split("/");
  return `json_extract(body, '$${names.map((name) => `."${name.replaceAll("'", "''")}"`).join("")}')`;
}

const isScalarPath = (path: string) => /^\/[A-Za-z_][\w/]*\/\?$/.test(path);

/**
 * Which SQLite indexes stand for a container's indexing policy: one for each included scalar path (only items that
 * have it), one for each composite index inside the first component of the partition key.
 */
export class IndexPlan {
  readonly definitions: string[] = [];
  readonly #single = new Map<string, string>();
  readonly #composites: { paths: string[]; orders: string[]; name: string }[] = [];
  /** Whether the policy indexes every path: then any single-path ORDER BY is served, if slowly here. */
  readonly all: boolean;

  constructor(table: string, policy: IndexingPolicy | undefined) {
    const included = policy?.includedPaths?.map((each) => each.path) ?? ["/*"];
    // Prefix queries of hierarchical keys begin with the first component.
    this.definitions.push(`CREATE INDEX IF NOT EXISTS ${table}_p1 ON ${table} (p1)`);
    this.all = included.includes("/*");
    for (const path of included.filter(isScalarPath)) {
      const name = `${table}_${path.replace(/\W+/g, "_")}`;
      const expression = expressionOf(path);
      this.#single.set(path.slice(0, -2), name);
      this.definitions.push(
        `CREATE INDEX IF NOT EXISTS ${name} ON ${table} (${expression}) WHERE ${expression} IS NOT NULL`,
      );
    }
    for (const [number, parts] of (policy?.compositeIndexes ?? []).entries()) {
      const name = `${table}_composite_${number}`;
      const orders = parts.map((part) => (part.order === "descending" ? "DESC" : "ASC"));
      const columns = parts.map((part, at) => `${expressionOf(part.path)} ${orders[at]}`);
      this.#composites.push({ paths: parts.map((part) => part.path), orders, name });
      this.definitions.push(`CREATE INDEX IF NOT EXISTS ${name} ON ${table} (p1, ${columns.join(", ")})`);
    }
  }

  expression(path: string): string {
    return expressionOf(path);
  }

  hasSingle(path: string): boolean {
    return this.#single.has(path);
  }

  /** A composite index that serves this order, or its reverse. */
  composite(order: readonly { path: string; descending: boolean }[]): string | undefined {
    const fits = (reverse: boolean) =>
      this.#composites.find(
        ({ paths, orders }) =>
          paths.length === order.length &&
          order.every(
            (part, at) =>
              part.path === paths[at] &&
              (orders[at] === "DESC") === (reverse ? !part.descending : part.descending),
          ),
      );
    return (fits(false) ?? fits(true))?.name;
  }
}
