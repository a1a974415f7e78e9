import type { Order } from "./ast.ts";
import { type CompileContext, compile } from "./compile.ts";
import type { Scope } from "./scope.ts";
import { compareAcross, type Value } from "./values.ts";

/** Where a query goes on: behind so many rows of the item that came last. */
export interface Position {
  /** When that item was created. */
  readonly born: number;
  /** What ORDER BY made of it. */
  readonly keys: readonly Value[];
  /** Rows of it that were given already. */
  readonly rows: number;
  /** Rows that were given in all. */
  readonly total: number;
}

export interface Keyed {
  readonly scope: Scope;
  readonly keys: readonly Value[];
}

/** ORDER BY; items that are equal in it come as they were created. */
export class Ordering {
  readonly #by: { readonly key: (scope: Scope) => Value; readonly sign: number }[];

  constructor(orderBy: readonly Order[], context: CompileContext) {
    this.#by = orderBy.map(({ by, descending }) => ({
      key: compile(by, context),
      sign: descending ? -1 : 1,
    }));
  }

  get none(): boolean {
    return this.#by.length === 0;
  }

  keyed(scope: Scope): Keyed {
    return { scope, keys: this.#by.map(({ key }) => key(scope)) };
  }

  compare(a: readonly Value[], b: readonly Value[]): number {
    for (const [at, { sign }] of this.#by.entries()) {
      const order = compareAcross(a[at], b[at]) * sign;
      if (order !== 0) return order;
    }
    return 0;
  }

  /** Below 0: the row was returned before the position. 0: it belongs to the position's own item. */
  toPosition({ scope, keys }: Keyed, position: Position): number {
    const order = this.compare(keys, position.keys);
    return order === 0 ? (scope.born ?? 0) - position.born : order;
  }
}
