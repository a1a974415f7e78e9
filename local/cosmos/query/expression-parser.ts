import { badRequest } from "../cosmos-error.ts";
import type { Expression, Query } from "./ast.ts";
import type { TokenStream } from "./token-stream.ts";

/** Binary signs by how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ["??"],
  ["OR"],
  ["AND"],
  ["=", "!=", "<>", "<", "<=", ">", ">="],
  ["|"],
  ["^"],
  ["&"],
  ["<<", ">>", ">>>"],
  ["||"],
  ["+", "-"],
  ["*", "/", "%"],
];
const COMPARISON_LEVEL = 3;
/** Lower case only, as in Azure's grammar. */
const CONSTANTS: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  null: null,
  undefined: undefined,
};
/** A query is a page of text; what nests deeper than this is refused before the stack is used up. */
const MAX_DEPTH = 200;

/** The part of the grammar below the clauses: operators, paths, calls, literals. */
export class ExpressionParser {
  readonly #stream: TokenStream;
  readonly #query: () => Query;
  #depth = 0;

  /** `query` parses a subquery. */
  constructor(stream: TokenStream, query: () => Query) {
    this.#stream = stream;
    this.#query = query;
  }

  expression(): Expression {
    const condition = this.#deeper(() => this.#binary(0));
    if (!this.#stream.take("?")) return condition;
    const yes = this.expression();
    this.#stream.expect(":");
    return { kind: "choice", if: condition, yes, no: this.expression() };
  }

  #deeper(parse: () => Expression): Expression {
    if (++this.#depth > MAX_DEPTH) throw badRequest(`The query nests over ${MAX_DEPTH} levels.`);
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  #binary(level: number): Expression {
    const signs = LEVELS[level];
    if (signs === undefined) return this.#unary();
    if (level === COMPARISON_LEVEL && this.#stream.take("NOT"))
      return { kind: "unary", sign: "NOT", of: this.#deeper(() => this.#binary(level)) };
    let left = this.#binary(level + 1);
    if (level === COMPARISON_LEVEL) left = this.#special(left);
    for (;;) {
      const sign = signs.find((each) => this.#stream.is(each));
      if (sign === undefined) return left;
      this.#stream.skip();
      left = { kind: "binary", sign: sign === "<>" ? "!=" : sign, left, right: this.#binary(level + 1) };
    }
  }

  /** IN, BETWEEN and LIKE, each also behind NOT. */
  #special(of: Expression): Expression {
    const not = this.#stream.take("NOT");
    const found = this.#specialOf(of);
    if (found === undefined) return not ? this.#stream.fail() : of;
    return not ? { kind: "unary", sign: "NOT", of: found } : found;
  }

  #specialOf(of: Expression): Expression | undefined {
    const stream = this.#stream;
    if (stream.take("IN")) {
      stream.expect("(");
      const list = this.#list(")");
      return list.length === 0 ? stream.fail() : { kind: "in", of, list };
    }
    if (stream.take("BETWEEN")) {
      const low = this.#binary(COMPARISON_LEVEL + 1);
      stream.expect("AND");
      return { kind: "between", of, low, high: this.#binary(COMPARISON_LEVEL + 1) };
    }
    if (stream.take("LIKE")) {
      const pattern = this.#binary(COMPARISON_LEVEL + 1);
      return { kind: "like", of, pattern, escape: stream.take("ESCAPE") ? this.primary() : undefined };
    }
    return undefined;
  }

  #unary(): Expression {
    for (const sign of ["-", "+", "~", "NOT"])
      if (this.#stream.take(sign)) return { kind: "unary", sign, of: this.#deeper(() => this.#unary()) };
    return this.members(this.primary());
  }

  /** `.name` and `[…]` behind what is there. */
  members(start: Expression): Expression {
    let of = start;
    for (;;) {
      if (this.#stream.take(".")) {
        of = { kind: "member", of, name: { kind: "constant", value: this.#stream.property() } };
      } else if (this.#stream.take("[")) {
        of = { kind: "member", of, name: this.expression() };
        this.#stream.expect("]");
      } else return of;
    }
  }

  #list(end: string): Expression[] {
    const parts: Expression[] = [];
    if (this.#stream.take(end)) return parts;
    do parts.push(this.expression());
    while (this.#stream.take(","));
    this.#stream.expect(end);
    return parts;
  }

  primary(): Expression {
    const token = this.#stream.next;
    if (token.kind === "number") return this.#taken({ kind: "constant", value: token.value });
    if (token.kind === "string") return this.#taken({ kind: "constant", value: token.text });
    if (token.kind === "parameter") return this.#taken({ kind: "parameter", name: token.text });
    if (this.#stream.take("(")) return this.#parenthesised();
    if (this.#stream.take("[")) return { kind: "array", parts: this.#list("]") };
    if (this.#stream.take("{")) return this.#object();
    if (token.kind !== "name") this.#stream.fail();
    return this.#named(token.text);
  }

  #taken(expression: Expression): Expression {
    this.#stream.skip();
    return expression;
  }

  #parenthesised(): Expression {
    if (this.#stream.is("SELECT")) {
      const query = this.#query();
      this.#stream.expect(")");
      return { kind: "subquery", as: "scalar", query };
    }
    const inner = this.expression();
    this.#stream.expect(")");
    return inner;
  }

  #object(): Expression {
    const parts: { name: string; value: Expression }[] = [];
    if (this.#stream.take("}")) return { kind: "object", parts };
    do {
      const token = this.#stream.next;
      if (token.kind !== "name" && token.kind !== "string") this.#stream.fail();
      this.#stream.skip();
      this.#stream.expect(":");
      parts.push({ name: token.text, value: this.expression() });
    } while (this.#stream.take(","));
    this.#stream.expect("}");
    return { kind: "object", parts };
  }

  #named(text: string): Expression {
    if (Object.hasOwn(CONSTANTS, text)) return this.#taken({ kind: "constant", value: CONSTANTS[text] });
    const upper = text.toUpperCase();
    if (upper === "UDF" && this.#stream.isSecond("."))
      throw badRequest("User-defined functions (udf.…) are not served by this emulator.");
    if (!this.#stream.isSecond("(")) return { kind: "name", name: this.#stream.name() };
    this.#stream.skip();
    this.#stream.expect("(");
    if ((upper === "EXISTS" || upper === "ARRAY") && this.#stream.is("SELECT")) {
      const query = this.#query();
      this.#stream.expect(")");
      return { kind: "subquery", as: upper === "EXISTS" ? "exists" : "array", query };
    }
    return { kind: "call", name: upper, parts: this.#list(")") };
  }
}
