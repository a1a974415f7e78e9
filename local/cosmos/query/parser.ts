import { badRequest } from "../cosmos-error.ts";
import type { Expression, From, Join, Query, Select } from "./ast.ts";
import { type Token, tokens } from "./lexer.ts";

/** Binary signs by how tightly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ["??"],
  ["OR"],
  ["AND"],
  ["=", "!=", "<>", "<", "<=", ">", ">="],
  ["|"],
  ["^"],
  ["&"],
  ["||"],
  ["+", "-"],
  ["*", "/", "%"],
];
const COMPARISON_LEVEL = 3;
const CONSTANTS: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  null: null,
  undefined: undefined,
};
const RESERVED = new Set([
  ...[
    "SELECT",
    "FROM",
    "WHERE",
    "ORDER",
    "BY",
    "GROUP",
    "OFFSET",
    "LIMIT",
    "JOIN",
    "IN",
    "AND",
    "OR",
    "NOT",
    "AS",
  ],
  ...["BETWEEN", "LIKE", "ESCAPE", "EXISTS", "TOP", "DISTINCT", "VALUE", "ASC", "DESC"],
]);

/** Keywords of a clause's end that may be a property's name. */
const PROPERTY_WORDS = new Set(["OFFSET", "LIMIT", "ESCAPE"]);

/** @throws CosmosError 400 for what is not in the grammar, naming where */
export function parseQuery(text: string): Query {
  const parser = new Parser(tokens(text));
  const query = parser.query();
  parser.expectEnd();
  return query;
}

/** A condition that stands alone, as a patch has it: `FROM c WHERE …`. */
export function parseCondition(text: string): { alias: string; where: Expression } {
  const query = parseQuery(`SELECT * ${text}`);
  if (query.where === undefined) throw badRequest("The condition of a patch must be FROM … WHERE ….");
  return { alias: query.from.alias, where: query.where };
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #is(text: string): boolean {
    const token = this.#next;
    return (token.kind === "name" || token.kind === "sign") && token.text.toUpperCase() === text;
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at++;
    return true;
  }

  #fail(): never {
    const near = this.#next.kind === "end" ? "the end" : `'${this.#next.text}'`;
    throw badRequest(`Syntax error, incorrect syntax near ${near} at ${this.#next.at}.`);
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail();
  }

  expectEnd(): void {
    if (this.#next.kind !== "end") this.#fail();
  }

  #name(): string {
    const token = this.#next;
    if (token.kind !== "name" || RESERVED.has(token.text.toUpperCase())) this.#fail();
    this.#at++;
    return token.text;
  }

  query(): Query {
    this.#expect("SELECT");
    const distinct = this.#take("DISTINCT");
    const top = this.#take("TOP") ? this.#primary() : undefined;
    const select = this.#select();
    const { from, joins } = this.#take("FROM")
      ? this.#from()
      : { from: { alias: "c", source: undefined }, joins: [] };
    const where = this.#take("WHERE") ? this.expression() : undefined;
    const groupBy = this.#groupBy();
    const orderBy = this.#orderBy();
    const offset = this.#take("OFFSET") ? this.#primary() : undefined;
    const limit = offset !== undefined || this.#is("LIMIT") ? this.#limit() : undefined;
    return { distinct, top, select, from, joins, where, groupBy, orderBy, offset, limit };
  }

  #limit(): Expression {
    this.#expect("LIMIT");
    return this.#primary();
  }

  #select(): Select {
    if (this.#take("*")) return { kind: "all" };
    if (this.#take("VALUE")) return { kind: "value", value: this.expression() };
    const items: { name: string; value: Expression }[] = [];
    do {
      const value = this.expression();
      const alias =
        this.#take("AS") || (this.#next.kind === "name" && !RESERVED.has(this.#next.text.toUpperCase()));
      items.push({ name: alias ? this.#name() : impliedName(value, items.length), value });
    } while (this.#take(","));
    return { kind: "list", items };
  }

  #from(): { from: From; joins: Join[] } {
    const alias = this.#name();
    let from: From = { alias, source: undefined };
    if (this.#take("IN")) from = { alias, source: this.#postfix() };
    else if (
      this.#take("AS") ||
      (this.#next.kind === "name" && !RESERVED.has(this.#next.text.toUpperCase()))
    ) {
      from = { alias: this.#name(), source: undefined };
    } else if (this.#is(".") || this.#is("["))
      throw badRequest("FROM with a path is not served by this emulator: use FROM x IN c.path.");
    const joins: Join[] = [];
    while (this.#take("JOIN")) {
      const name = this.#name();
      this.#expect("IN");
      joins.push({ alias: name, source: this.#postfix() });
    }
    return { from, joins };
  }

  #groupBy(): Expression[] {
    if (!this.#take("GROUP")) return [];
    this.#expect("BY");
    const by = [this.expression()];
    while (this.#take(",")) by.push(this.expression());
    return by;
  }

  #orderBy(): { by: Expression; descending: boolean }[] {
    if (!this.#take("ORDER")) return [];
    this.#expect("BY");
    const order: { by: Expression; descending: boolean }[] = [];
    do {
      const by = this.expression();
      const descending = this.#take("DESC");
      if (!descending) this.#take("ASC");
      order.push({ by, descending });
    } while (this.#take(","));
    return order;
  }

  expression(): Expression {
    const condition = this.#binary(0);
    if (!this.#take("?")) return condition;
    const yes = this.expression();
    this.#expect(":");
    return { kind: "choice", if: condition, yes, no: this.expression() };
  }

  #binary(level: number): Expression {
    const signs = LEVELS[level];
    if (signs === undefined) return this.#unary();
    if (level === COMPARISON_LEVEL && this.#take("NOT"))
      return { kind: "unary", sign: "NOT", of: this.#binary(level) };
    let left = this.#binary(level + 1);
    if (level === COMPARISON_LEVEL) left = this.#special(left);
    for (;;) {
      const sign = signs.find((each) => this.#is(each));
      if (sign === undefined) return left;
      this.#at++;
      left = { kind: "binary", sign: sign === "<>" ? "!=" : sign, left, right: this.#binary(level + 1) };
    }
  }

  /** IN, BETWEEN and LIKE, each also behind NOT. */
  #special(of: Expression): Expression {
    const not = this.#take("NOT");
    const found = this.#specialOf(of);
    if (found === undefined) return not ? this.#fail() : of;
    return not ? { kind: "unary", sign: "NOT", of: found } : found;
  }

  #specialOf(of: Expression): Expression | undefined {
    if (this.#take("IN")) {
      this.#expect("(");
      return { kind: "in", of, list: this.#list(")") };
    }
    if (this.#take("BETWEEN")) {
      const low = this.#binary(COMPARISON_LEVEL + 1);
      this.#expect("AND");
      return { kind: "between", of, low, high: this.#binary(COMPARISON_LEVEL + 1) };
    }
    if (this.#take("LIKE")) {
      const pattern = this.#binary(COMPARISON_LEVEL + 1);
      return { kind: "like", of, pattern, escape: this.#take("ESCAPE") ? this.#primary() : undefined };
    }
    return undefined;
  }

  #unary(): Expression {
    for (const sign of ["-", "+", "~", "NOT"])
      if (this.#take(sign)) return { kind: "unary", sign, of: this.#unary() };
    return this.#postfix();
  }

  #postfix(): Expression {
    let of = this.#primary();
    for (;;) {
      if (this.#take(".")) {
        const token = this.#next;
        // As Azure: a keyword needs brackets, c["value"].
        if (
          token.kind !== "name" ||
          (RESERVED.has(token.text.toUpperCase()) && !PROPERTY_WORDS.has(token.text.toUpperCase()))
        ) {
          this.#fail();
        }
        this.#at++;
        of = { kind: "member", of, name: { kind: "constant", value: token.text } };
      } else if (this.#take("[")) {
        of = { kind: "member", of, name: this.expression() };
        this.#expect("]");
      } else return of;
    }
  }

  #list(end: string): Expression[] {
    const parts: Expression[] = [];
    if (this.#take(end)) return parts;
    do parts.push(this.expression());
    while (this.#take(","));
    this.#expect(end);
    return parts;
  }

  #primary(): Expression {
    const token = this.#next;
    if (token.kind === "number") return this.#advance({ kind: "constant", value: token.value });
    if (token.kind === "string") return this.#advance({ kind: "constant", value: token.text });
    if (token.kind === "parameter") return this.#advance({ kind: "parameter", name: token.text });
    if (this.#take("(")) return this.#parenthesised();
    if (this.#take("[")) return { kind: "array", parts: this.#list("]") };
    if (this.#take("{")) return this.#object();
    if (token.kind !== "name") this.#fail();
    return this.#named(token.text);
  }

  #advance(expression: Expression): Expression {
    this.#at++;
    return expression;
  }

  #parenthesised(): Expression {
    if (this.#is("SELECT")) {
      const query = this.query();
      this.#expect(")");
      return { kind: "subquery", as: "scalar", query };
    }
    const inner = this.expression();
    this.#expect(")");
    return inner;
  }

  #object(): Expression {
    const parts: { name: string; value: Expression }[] = [];
    if (this.#take("}")) return { kind: "object", parts };
    do {
      const token = this.#next;
      if (token.kind !== "name" && token.kind !== "string") this.#fail();
      this.#at++;
      this.#expect(":");
      parts.push({ name: token.text, value: this.expression() });
    } while (this.#take(","));
    this.#expect("}");
    return { kind: "object", parts };
  }

  #named(text: string): Expression {
    const upper = text.toUpperCase();
    if (Object.hasOwn(CONSTANTS, text)) return this.#advance({ kind: "constant", value: CONSTANTS[text] });
    this.#at++;
    if (this.#take("(")) {
      if ((upper === "EXISTS" || upper === "ARRAY") && this.#is("SELECT")) {
        const query = this.query();
        this.#expect(")");
        return { kind: "subquery", as: upper === "EXISTS" ? "exists" : "array", query };
      }
      return { kind: "call", name: upper, parts: this.#list(")") };
    }
    this.#at--;
    return { kind: "name", name: this.#name() };
  }
}

/** Azure names an unnamed path by its last part, anything else `$1`, `$2`, … */
function impliedName(value: Expression, at: number): string {
  if (value.kind === "name") return value.name;
  if (value.kind === "member" && value.name.kind === "constant" && typeof value.name.value === "string")
    return value.name.value;
  return `$${at + 1}`;
}
