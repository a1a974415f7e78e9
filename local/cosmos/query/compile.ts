import { badRequest } from "../cosmos-error.ts";
import type { Expression, Query } from "./ast.ts";
import { functionNamed } from "./functions/index.ts";
import { like } from "./like.ts";
import type { Evaluate, Scope } from "./scope.ts";
import { compareWithin, equal, type Value } from "./values.ts";

export interface CompileContext {
  readonly parameters: ReadonlyMap<string, Value>;
  readonly aliases: ReadonlySet<string>;
  /** Unix time of the query, ms. */
  readonly nowMs: number;
  /** Readies a subquery, which is run over the scope's own names. */
  readonly subquery: (query: Query, aliases: ReadonlySet<string>) => (scope: Scope) => Value[];
}

/** @throws CosmosError 400 for a name, parameter or function that is not there */
export function compile(expression: Expression, context: CompileContext): Evaluate {
  const of = (inner: Expression) => compile(inner, context);
  switch (expression.kind) {
    case "constant": {
      const { value } = expression;
      return () => value;
    }
    case "parameter": {
      const { name } = expression;
      if (!context.parameters.has(name)) throw badRequest(`The parameter ${name} has no value.`);
      const value = context.parameters.get(name);
      return () => value;
    }
    case "name": {
      const { name } = expression;
      if (!context.aliases.has(name)) throw badRequest(`Identifier '${name}' could not be resolved.`);
      return (scope) => scope.names[name];
    }
    case "root":
      return (scope) => scope.root;
    case "member":
      return member(of(expression.of), of(expression.name));
    case "call": {
      const run = functionNamed(expression.name, expression.parts.length);
      const parts = expression.parts.map(of);
      const { nowMs } = context;
      return (scope) =>
        run(
          parts.map((part) => part(scope)),
          nowMs,
        );
    }
    case "unary":
      return unary(expression.sign, of(expression.of));
    case "binary":
      return binary(expression.sign, of(expression.left), of(expression.right));
    case "between": {
      const [value, low, high] = [of(expression.of), of(expression.low), of(expression.high)];
      return (scope) =>
        and(
          compared(value(scope), low(scope), (c) => c >= 0),
          compared(value(scope), high(scope), (c) => c <= 0),
        );
    }
    case "in": {
      const value = of(expression.of);
      const list = expression.list.map(of);
      return (scope) => {
        const sought = value(scope);
        return sought === undefined ? undefined : list.some((each) => equal(sought, each(scope)));
      };
    }
    case "like":
      return like(
        of(expression.of),
        of(expression.pattern),
        expression.escape === undefined ? undefined : of(expression.escape),
      );
    case "choice": {
      const [condition, yes, no] = [of(expression.if), of(expression.yes), of(expression.no)];
      return (scope) => (condition(scope) === true ? yes(scope) : no(scope));
    }
    case "array": {
      const parts = expression.parts.map(of);
      return (scope) => parts.map((part) => part(scope)).filter((value) => value !== undefined);
    }
    case "object": {
      const parts = expression.parts.map(({ name, value }) => ({ name, value: of(value) }));
      return (scope) =>
        Object.fromEntries(
          parts.map(({ name, value }) => [name, value(scope)]).filter(([, value]) => value !== undefined),
        );
    }
    case "subquery": {
      const { as, query } = expression;
      const run = context.subquery(query, context.aliases);
      return (scope) => {
        const rows = run(scope);
        return as === "exists" ? rows.length > 0 : as === "array" ? rows : rows[0];
      };
    }
  }
}

function member(of: Evaluate, name: Evaluate): Evaluate {
  return (scope) => {
    const [owner, key] = [of(scope), name(scope)];
    if (Array.isArray(owner)) return typeof key === "number" ? owner[key] : undefined;
    if (typeof owner !== "object" || owner === null || typeof key !== "string") return undefined;
    return Object.hasOwn(owner, key) ? (owner as Record<string, Value>)[key] : undefined;
  };
}

const isBoolean = (value: Value): value is boolean => typeof value === "boolean";

/** Three-valued: false wins over undefined. */
function and(left: Value, right: Value): Value {
  if (left === false || right === false) return false;
  return isBoolean(left) && isBoolean(right) ? true : undefined;
}

/** Three-valued: true wins over undefined. */
function or(left: Value, right: Value): Value {
  if (left === true || right === true) return true;
  return isBoolean(left) && isBoolean(right) ? false : undefined;
}

function compared(left: Value, right: Value, test: (order: number) => boolean): Value {
  const order = compareWithin(left, right);
  return order === undefined ? undefined : test(order);
}

function equality(left: Value, right: Value): Value {
  if (left === undefined || right === undefined) return undefined;
  return equal(left, right);
}

const arithmetic =
  (run: (a: number, b: number) => number) =>
  (left: Value, right: Value): Value => {
    if (typeof left !== "number" || typeof right !== "number") return undefined;
    const result = run(left, right);
    return Number.isFinite(result) ? result : undefined;
  };

const BINARY: Readonly<Record<string, (left: Value, right: Value) => Value>> = {
  AND: and,
  OR: or,
  "=": equality,
  "!=": (l, r) => {
    const same = equality(l, r);
    return same === undefined ? undefined : !same;
  },
  "<": (l, r) => compared(l, r, (c) => c < 0),
  "<=": (l, r) => compared(l, r, (c) => c <= 0),
  ">": (l, r) => compared(l, r, (c) => c > 0),
  ">=": (l, r) => compared(l, r, (c) => c >= 0),
  "??": (l, r) => (l === undefined ? r : l),
  "||": (l, r) => (typeof l === "string" && typeof r === "string" ? l + r : undefined),
  "+": arithmetic((a, b) => a + b),
  "-": arithmetic((a, b) => a - b),
  "*": arithmetic((a, b) => a * b),
  "/": arithmetic((a, b) => a / b),
  "%": arithmetic((a, b) => a % b),
  "&": arithmetic((a, b) => a & b),
  "|": arithmetic((a, b) => a | b),
  "^": arithmetic((a, b) => a ^ b),
  "<<": arithmetic((a, b) => a << b),
  ">>": arithmetic((a, b) => a >> b),
  ">>>": arithmetic((a, b) => a >>> b),
};

function binary(sign: string, left: Evaluate, right: Evaluate): Evaluate {
  const run = BINARY[sign];
  if (run === undefined) throw badRequest(`The operator ${sign} is not served by this emulator.`);
  return (scope) => run(left(scope), right(scope));
}

function unary(sign: string, of: Evaluate): Evaluate {
  return (scope) => {
    const value = of(scope);
    if (sign === "NOT") return isBoolean(value) ? !value : undefined;
    if (typeof value !== "number") return undefined;
    return sign === "-" ? -value : sign === "~" ? ~value : value;
  };
}
