import type { IndexPlan } from "./index-plan.ts";
import { SYSTEM_FIELDS } from "./item-text.ts";

/** What a path means to the indexes: whether a value at it is in them, and whether one below may be. */
interface PathUse {
  readonly isIndexed: boolean;
  readonly holdsIndexed: boolean;
}

/** Paths whose use is remembered; an item may have names that no other has. */
const MAX_KNOWN = 10_000;

/**
 * The terms that an item has in a container's indexes: a path and a value, or the values of a composite index. The
 * service charges for each that a write adds or removes.
 */
export class IndexTerms {
  readonly #plan: IndexPlan;
  readonly #known = new Map<string, PathUse>();

  constructor(plan: IndexPlan) {
    this.#plan = plan;
  }

  /** As hashes: whether two writes share a term is all there is to ask. `columns`: the values of the plan's own. */
  of(item: Record<string, unknown>, columns: readonly unknown[]): Int32Array {
    const terms = new Set<number>();
    for (const [name, value] of Object.entries(item))
      if (!SYSTEM_FIELDS.includes(name)) this.#collect(value, `/${name}`, terms);
    for (const { name, paths } of this.#plan.composites) {
      const values = paths.map((path) => columns[this.#plan.paths.indexOf(path)] ?? null);
      if (values.some((value) => value !== null)) terms.add(hashOf(`${name}=${JSON.stringify(values)}`));
    }
    return Int32Array.from(terms);
  }

  #collect(value: unknown, path: string, terms: Set<number>): void {
    const { isIndexed, holdsIndexed } = this.#use(path);
    if (typeof value !== "object" || value === null) {
      if (isIndexed) terms.add(hashOf(`${path}=${JSON.stringify(value)}`));
    } else if (holdsIndexed) {
      if (Array.isArray(value)) for (const each of value) this.#collect(each, `${path}/[]`, terms);
      else for (const [name, each] of Object.entries(value)) this.#collect(each, `${path}/${name}`, terms);
    }
  }

  #use(path: string): PathUse {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const use = { isIndexed: this.#plan.includes(path), holdsIndexed: this.#plan.includesBelow(path) };
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(path, use);
    return use;
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
