/** A parsed query. */
export interface Query {
  readonly distinct: boolean;
  readonly top: Expression | undefined;
  readonly select: Select;
  readonly from: From;
  readonly joins: readonly Join[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly orderBy: readonly { readonly by: Expression; readonly descending: boolean }[];
  readonly offset: Expression | undefined;
  readonly limit: Expression | undefined;
}

export type Select =
  | { readonly kind: "all" }
  | { readonly kind: "value"; readonly value: Expression }
  | {
      readonly kind: "list";
      readonly items: readonly { readonly name: string; readonly value: Expression }[];
    };

/** `FROM c`, or `FROM t IN c.tags`: then one row for each element of `source`. */
export interface From {
  readonly alias: string;
  readonly source: Expression | undefined;
}

export interface Join {
  readonly alias: string;
  readonly source: Expression;
}

export type Expression =
  | { readonly kind: "constant"; readonly value: unknown }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "name"; readonly name: string }
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
