import { badRequest } from "../cosmos-error.ts";
import { type Expression, partsOf, withParts } from "./ast.ts";
import { type CompileContext, compile } from "./compile.ts";
import type { Evaluate, Scope } from "./scope.ts";
import { compareAcross, equal, typeOf, type Value } from "./values.ts";

/** Folds the values of a group; those that are undefined are passed over. */
interface Fold {
  add(value: Value): void;
  value(): Value;
}

/** A value that is not a number makes SUM and AVG undefined. */
function numbers(result: (sum: number, count: number) => Value): Fold {
  let [sum, count, pure] = [0, 0, true];
  return {
    add(value) {
      if (typeof value === "number") sum += value;
      else pure = false;
      count++;
    },
    value: () => (pure ? result(sum, count) : undefined),
  };
}

function counter(counts: (value: Value) => boolean): Fold {
  let count = 0;
  return {
    add(value) {
      if (counts(value)) count++;
    },
    value: () => count,
  };
}

function extreme(sign: number): Fold {
  let found: Value;
  return {
    add(value) {
      if (["array", "object"].includes(typeOf(value))) return;
      if (found === undefined || compareAcross(value, found) * sign > 0) found = value;
    },
    value: () => found,
  };
}

function list(keeps: (list: readonly Value[], value: Value) => boolean): Fold {
  const found: Value[] = [];
  return {
    add(value) {
      if (keeps(found, value)) found.push(value);
    },
    value: () => found,
  };
}

const AGGREGATES: Readonly<Record<string, () => Fold>> = {
  COUNT: () => counter(() => true),
  COUNTIF: () => counter((value) => value === true),
  SUM: () => numbers((sum) => sum),
  AVG: () => numbers((sum, count) => (count === 0 ? undefined : sum / count)),
  MIN: () => extreme(-1),
  MAX: () => extreme(1),
  MAKELIST: () => list(() => true),
  MAKESET: () => list((found, value) => !found.some((each) => equal(each, value))),
};

export function hasAggregate(expression: Expression): boolean {
  if (expression.kind === "call" && Object.hasOwn(AGGREGATES, expression.name)) return true;
  return partsOf(expression).some(hasAggregate);
}

/** What is kept of a group while its rows go by. */
export interface Group {
  readonly first: Scope | undefined;
  readonly folds: readonly Fold[];
}

/** The aggregates of a query's select list, folded row by row; the rest is evaluated over a group's first row. */
export class Aggregation {
  readonly #parts: { readonly name: string; readonly start: () => Fold; readonly part: Evaluate }[] = [];
  readonly #context: CompileContext;
  readonly #groupBy: ReadonlySet<string>;

  constructor(context: CompileContext, groupBy: readonly Expression[]) {
    this.#context = context;
    this.#groupBy = new Set(groupBy.map((each) => JSON.stringify(each)));
  }

  /** @throws CosmosError 400 for what is neither aggregated nor grouped by */
  compile(expression: Expression): (group: Group) => Value {
    const replaced = this.#replaced(expression);
    const aliases = new Set([...this.#context.aliases, ...this.#parts.map((each) => each.name)]);
    const evaluate = compile(replaced, { ...this.#context, aliases });
    return ({ first, folds }) => {
      const folded = Object.fromEntries(this.#parts.map(({ name }, at) => [name, folds[at]?.value()]));
      return evaluate({ ...first, names: { ...first?.names, ...folded } });
    };
  }

  start(first: Scope | undefined): Group {
    return { first, folds: this.#parts.map(({ start }) => start()) };
  }

  add(group: Group, scope: Scope): void {
    for (const [at, { part }] of this.#parts.entries()) {
      const value = part(scope);
      if (value !== undefined) group.folds[at]?.add(value);
    }
  }

  #replaced(e: Expression): Expression {
    if (this.#groupBy.has(JSON.stringify(e))) return e;
    if (e.kind === "call" && Object.hasOwn(AGGREGATES, e.name)) {
      const part = e.parts[0];
      if (part === undefined || e.parts.length > 1) throw badRequest(`${e.name} takes one argument.`);
      const name = `@\u0000aggregate${this.#parts.length}`;
      const start = AGGREGATES[e.name] as () => Fold;
      this.#parts.push({ name, start, part: compile(part, this.#context) });
      return { kind: "name", name };
    }
    if (e.kind === "name" || e.kind === "root" || e.kind === "subquery") {
      throw badRequest(
        "Property reference is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.",
      );
    }
    return withParts(e, (part) => this.#replaced(part));
  }
}
