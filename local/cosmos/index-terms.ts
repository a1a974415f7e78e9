import type { IndexPlan } from "./index-plan.ts";
import { SYSTEM_FIELDS } from "./item-text.ts";

/** What a path means to the indexes. */
interface Place {
  readonly path: string;
  /** The path's hash, from which the hashes of its terms begin. */
  readonly hash: number;
  /** Whether a value here is a term. */
  readonly isIndexed: boolean;
  /** Whether one further below may be. */
  readonly holdsIndexed: boolean;
  readonly below: Map<string, Place>;
}

/** Places that are remembered; an item may have names that no other has. */
const MAX_PLACES = 10_000;
const ELEMENT = "[]";

/**
 * The terms that an item has in a container's indexes: a path and a value, or the values of a composite index. The
 * service charges for each that a write adds or removes.
 */
export class IndexTerms {
  readonly #plan: IndexPlan;
  readonly #composites: readonly { readonly hash: number; readonly columns: readonly number[] }[];
  #root: Place;
  #places = 0;

  constructor(plan: IndexPlan) {
    this.#plan = plan;
    this.#composites = plan.composites.map(({ name, paths }) => ({
      hash: hashOf(name, EMPTY_HASH),
      columns: paths.map((path) => plan.paths.indexOf(path)),
    }));
    this.#root = this.#place("");
  }

  /** The terms as hashes: only whether two writes share a term matters. `columns`: the values of the plan's columns. */
  of(item: Record<string, unknown>, columns: readonly unknown[]): Int32Array {
    if (this.#places > MAX_PLACES) this.#root = this.#place("");
    const terms = new Set<number>();
    for (const name in item)
      if (!SYSTEM_FIELDS.includes(name)) this.#collect(item[name], this.#below(this.#root, name), terms);
    for (const { hash, columns: own } of this.#composites) {
      const values = own.map((at) => columns[at]);
      if (values.some((value) => value !== null)) terms.add(hashOf(JSON.stringify(values), hash));
    }
    return Int32Array.from(terms);
  }

  #collect(value: unknown, place: Place, terms: Set<number>): void {
    if (typeof value !== "object" || value === null) {
      if (place.isIndexed) terms.add(hashOf(`${typeof value}${value}`, place.hash));
    } else if (!place.holdsIndexed) {
      return;
    } else if (Array.isArray(value)) {
      const elements = this.#below(place, ELEMENT);
      for (const each of value) this.#collect(each, elements, terms);
    } else {
      for (const [name, each] of Object.entries(value)) this.#collect(each, this.#below(place, name), terms);
    }
  }

  #below(place: Place, name: string): Place {
    const known = place.below.get(name);
    if (known !== undefined) return known;
    const found = this.#place(`${place.path}/${name}`);
    place.below.set(name, found);
    return found;
  }

  #place(path: string): Place {
    this.#places = path === "" ? 0 : this.#places + 1;
    return {
      ...{ path, hash: hashOf(path, EMPTY_HASH), below: new Map() },
      isIndexed: this.#plan.includes(path),
      holdsIndexed: this.#plan.includesBelow(path),
    };
  }
}

/** FNV-1a. */
function hashOf(text: string, start: number): number {
  let hash = start;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

const EMPTY_HASH = 0x811c9dc5;
