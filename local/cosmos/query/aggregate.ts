import { badRequest } from "../cosmos-error.ts";
import type { Expression } from "./ast.ts";
import { type CompileContext, compile, type Evaluate, type Scope } from "./compile.ts";
import { compareAcross, typeOf, type Value } from "./values.ts";

type Fold = (values: readonly Value[]) => Value;

const numbersOnly = (values: readonly Value[], fold: (numbers: number[]) => Value): Value => {
  const defined = values.filter((value) => value !== undefined);
  return defined.every((value) => typeof value === "number") ? fold(defined as number[]) : undefined;
};

/** Undefined values are passed over; one of another type makes SUM and AVG undefined. */
const AGGREGATES: Readonly<Record<string, Fold>> = {
  COUNT: (values) => values.filter((value) => value !== undefined).length,
  SUM: (values) => numbersOnly(values, (numbers) => numbers.reduce((a, b) => a + b, 0)),
  AVG: (values) =>
    numbersOnly(values, (numbers) =>
      numbers.length === 0 ? undefined : numbers.reduce((a, b) => a + b, 0) / numbers.length,
    ),
  MIN: (values) => extreme(values, -1),
  MAX: (values) => extreme(values, 1),
};

function extreme(values: readonly Value[], sign: number): Value {
  const comparable = values.filter(
    (value) => value !== undefined && !["array", "object"].includes(typeOf(value)),
  );
  return comparable.length === 0
    ? undefined
    : comparable.reduce((a, b) => (compareAcross(b, a) * sign > 0 ? b : a));
}

export function hasAggregate(expression: Expression): boolean {
  if (expression.kind === "call" && Object.hasOwn(AGGREGATES, expression.name)) return true;
  return children(expression).some(hasAggregate);
}

function children(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case "member":
      return [e.of, e.name];
    case "call":
    case "array":
      return e.parts;
    case "object":
      return e.parts.map((part) => part.value);
    case "unary":
      return [e.of];
    case "binary":
      return [e.left, e.right];
    case "choice":
      return [e.if, e.yes, e.no];
    default:
      return [];
  }
}

/** Evaluates an expression over a group of rows: aggregates over all of them, the rest over the first. */
export function compileGrouped(
  expression: Expression,
  context: CompileContext,
): (group: readonly Scope[]) => Value {
  const folds: { name: string; fold: Fold; part: Evaluate }[] = [];
  const replaced = replaceAggregates(expression, (name, part) => {
    const placeholder = `@\u0000aggregate${folds.length}`;
    folds.push({ name: placeholder, fold: AGGREGATES[name] as Fold, part: compile(part, context) });
    return { kind: "name", name: placeholder };
  });
  const aliases = new Set([...context.aliases, ...folds.map((each) => each.name)]);
  const evaluate = compile(replaced, { ...context, aliases });
  return (group) => {
    const aggregated = Object.fromEntries(folds.map(({ name, fold, part }) => [name, fold(group.map(part))]));
    return evaluate({ names: { ...group[0]?.names, ...aggregated } });
  };
}

function replaceAggregates(
  e: Expression,
  replace: (name: string, part: Expression) => Expression,
): Expression {
  const inner = (each: Expression) => replaceAggregates(each, replace);
  switch (e.kind) {
    case "call": {
      if (!Object.hasOwn(AGGREGATES, e.name)) return { ...e, parts: e.parts.map(inner) };
      const part = e.parts[0];
      if (part === undefined || e.parts.length > 1) throw badRequest(`${e.name} takes one argument.`);
      return replace(e.name, part);
    }
    case "array":
      return { ...e, parts: e.parts.map(inner) };
    case "object":
      return { ...e, parts: e.parts.map((part) => ({ ...part, value: inner(part.value) })) };
    case "unary":
      return { ...e, of: inner(e.of) };
    case "binary":
      return { ...e, left: inner(e.left), right: inner(e.right) };
    case "choice":
      return { ...e, if: inner(e.if), yes: inner(e.yes), no: inner(e.no) };
    default:
      return e;
  }
}
