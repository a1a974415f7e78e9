import { badRequest } from "../cosmos-error.ts";
import type { Binding, Expression, Order, Query, Select } from "./ast.ts";
import { ExpressionParser } from "./expression-parser.ts";
import { TokenStream } from "./token-stream.ts";

/** @throws CosmosError 400 for what is not in the grammar, naming where */
export function parseQuery(text: string): Query {
  const stream = new TokenStream(text);
  const query = new QueryParser(stream).query();
  stream.expectEnd();
  return query;
}

/** A condition that stands alone, as a patch has it: `FROM c WHERE …`. */
export function parseCondition(text: string): { alias: string; where: Expression } {
  const query = parseQuery(`SELECT * ${text}`);
  const { from, where } = query;
  if (from === undefined || where === undefined || from.source.kind !== "name" || query.joins.length > 0)
    throw badRequest("The condition of a patch must be FROM … WHERE ….");
  return { alias: from.alias, where };
}

class QueryParser {
  readonly #stream: TokenStream;
  readonly #expressions: ExpressionParser;

  constructor(stream: TokenStream) {
    this.#stream = stream;
    this.#expressions = new ExpressionParser(stream, () => this.query());
  }

  query(): Query {
    const stream = this.#stream;
    stream.expect("SELECT");
    const distinct = stream.take("DISTINCT");
    const top = stream.take("TOP") ? this.#expressions.primary() : undefined;
    const select = this.#select();
    const from = stream.take("FROM") ? this.#binding() : undefined;
    const joins: Binding[] = [];
    while (from !== undefined && stream.take("JOIN")) joins.push(this.#binding());
    const where = stream.take("WHERE") ? this.#expressions.expression() : undefined;
    const groupBy = this.#groupBy();
    const orderBy = this.#orderBy();
    const offset = stream.take("OFFSET") ? this.#expressions.primary() : undefined;
    if (offset !== undefined) stream.expect("LIMIT");
    const limit = offset === undefined ? undefined : this.#expressions.primary();
    return { distinct, top, select, from, joins, where, groupBy, orderBy, offset, limit };
  }

  #select(): Select {
    if (this.#stream.take("*")) return { kind: "all" };
    if (this.#stream.take("VALUE")) return { kind: "value", value: this.#expressions.expression() };
    const items: { name: string; value: Expression }[] = [];
    let unnamed = 0;
    do {
      const value = this.#expressions.expression();
      const name = this.#alias() ?? impliedName(value) ?? `$${++unnamed}`;
      if (items.some((item) => item.name === name))
        throw badRequest(
          `The property name '${name}' is specified more than once: give one of them AS another.`,
        );
      items.push({ name, value });
    } while (this.#stream.take(","));
    return { kind: "list", items };
  }

  /** `AS name`, or the bare name. */
  #alias(): string | undefined {
    return this.#stream.take("AS") || this.#stream.isName ? this.#stream.name() : undefined;
  }

  #binding(): Binding {
    if (this.#stream.is("(")) {
      const source = this.#subquery();
      return { alias: this.#alias() ?? "$rows", source, each: false };
    }
    const name = this.#stream.name();
    if (this.#stream.take("IN")) {
      const source = this.#stream.is("(") ? this.#subquery() : this.#path(this.#stream.name());
      return { alias: name, source, each: true };
    }
    const source = this.#path(name);
    const alias = this.#alias() ?? impliedName(source);
    if (alias === undefined) throw badRequest("What FROM names needs an alias here: FROM … AS name.");
    return { alias, source, each: false };
  }

  #path(name: string): Expression {
    return this.#expressions.members({ kind: "name", name });
  }

  #subquery(): Expression {
    this.#stream.expect("(");
    const query = this.query();
    this.#stream.expect(")");
    return { kind: "subquery", as: "array", query };
  }

  #groupBy(): Expression[] {
    if (!this.#stream.take("GROUP")) return [];
    this.#stream.expect("BY");
    const by = [this.#expressions.expression()];
    while (this.#stream.take(",")) by.push(this.#expressions.expression());
    return by;
  }

  #orderBy(): Order[] {
    if (!this.#stream.take("ORDER")) return [];
    this.#stream.expect("BY");
    if (this.#stream.is("RANK") && !this.#stream.isSecond(".") && !this.#stream.isSecond("["))
      throw badRequest("Full-text search (ORDER BY RANK) is not served by this emulator.");
    const order: Order[] = [];
    do {
      const by = this.#expressions.expression();
      const descending = this.#stream.take("DESC");
      if (!descending) this.#stream.take("ASC");
      order.push({ by, descending });
    } while (this.#stream.take(","));
    return order;
  }
}

/** Azure names an unnamed path by its last part, anything else `$1`, `$2`, … */
function impliedName(value: Expression): string | undefined {
  if (value.kind === "name") return value.name;
  if (value.kind === "member" && value.name.kind === "constant" && typeof value.name.value === "string")
    return value.name.value;
  return undefined;
}
