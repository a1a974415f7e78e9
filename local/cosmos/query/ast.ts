/** A parsed query. */
export interface Query {
  readonly distinct: boolean;
  readonly top: Expression | undefined;
  readonly select: Select;
  /** Undefined for a query without FROM: one row. */
  readonly from: Binding | undefined;
  readonly joins: readonly Binding[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly orderBy: readonly Order[];
  readonly offset: Expression | undefined;
  readonly limit: Expression | undefined;
}

export interface Order {
  readonly by: Expression;
  readonly descending: boolean;
}

export type Select =
  | { readonly kind: "all" }
  | { readonly kind: "value"; readonly value: Expression }
  | {
      readonly kind: "list";
      readonly items: readonly { readonly name: string; readonly value: Expression }[];
    };

/**
 * `c`, `c.path AS alias`, `alias IN c.list`, `(SELECT …) AS alias`. With `each`, one row for each element of what the
 * source gives; a subquery gives one row for each of its own.
 */
export interface Binding {
  readonly alias: string;
  readonly source: Expression;
  readonly each: boolean;
}

export type Expression =
  | { readonly kind: "constant"; readonly value: unknown }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "name"; readonly name: string }
  /** The item itself: the meaning of the first name of a FROM. */
  | { readonly kind: "root" }
  | { readonly kind: "member"; readonly of: Expression; readonly name: Expression }
  | { readonly kind: "call"; readonly name: string; readonly parts: readonly Expression[] }
  | { readonly kind: "unary"; readonly sign: string; readonly of: Expression }
  | { readonly kind: "binary"; readonly sign: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "between"; readonly of: Expression; readonly low: Expression; readonly high: Expression }
  | { readonly kind: "in"; readonly of: Expression; readonly list: readonly Expression[] }
  | {
      readonly kind: "like";
      readonly of: Expression;
      readonly pattern: Expression;
      readonly escape: Expression | undefined;
    }
  | { readonly kind: "choice"; readonly if: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: "array"; readonly parts: readonly Expression[] }
  | {
      readonly kind: "object";
      readonly parts: readonly { readonly name: string; readonly value: Expression }[];
    }
  | { readonly kind: "subquery"; readonly as: "exists" | "array" | "scalar"; readonly query: Query };

/** The expressions directly inside one; those of a subquery are its own. */
export function partsOf(e: Expression): readonly Expression[] {
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
    case "between":
      return [e.of, e.low, e.high];
    case "in":
      return [e.of, ...e.list];
    case "like":
      return e.escape === undefined ? [e.of, e.pattern] : [e.of, e.pattern, e.escape];
    case "choice":
      return [e.if, e.yes, e.no];
    default:
      return [];
  }
}

/** The same expression with other parts. */
export function withParts(e: Expression, change: (part: Expression) => Expression): Expression {
  switch (e.kind) {
    case "member":
      return { ...e, of: change(e.of), name: change(e.name) };
    case "call":
    case "array":
      return { ...e, parts: e.parts.map(change) };
    case "object":
      return { ...e, parts: e.parts.map((part) => ({ ...part, value: change(part.value) })) };
    case "unary":
      return { ...e, of: change(e.of) };
    case "binary":
      return { ...e, left: change(e.left), right: change(e.right) };
    case "between":
      return { ...e, of: change(e.of), low: change(e.low), high: change(e.high) };
    case "in":
      return { ...e, of: change(e.of), list: e.list.map(change) };
    case "like":
      return {
        ...e,
        of: change(e.of),
        pattern: change(e.pattern),
        escape: e.escape === undefined ? undefined : change(e.escape),
      };
    case "choice":
      return { ...e, if: change(e.if), yes: change(e.yes), no: change(e.no) };
    default:
      return e;
  }
}

/** A path as indexing policies write it, `/a/b`, of an expression that is one; `base` says what its first name is. */
export function pathOf(e: Expression, base: (name: string) => string | undefined): string | undefined {
  if (e.kind === "root") return "";
  if (e.kind === "name") return base(e.name);
  if (e.kind !== "member" || e.name.kind !== "constant" || typeof e.name.value !== "string") return undefined;
  const parent = pathOf(e.of, base);
  return parent === undefined ? undefined : `${parent}/${e.name.value}`;
}
