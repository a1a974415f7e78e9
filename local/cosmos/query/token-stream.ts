import { badRequest } from "../cosmos-error.ts";
import { type Token, tokens } from "./lexer.ts";

const RESERVED = new Set([
  ...["SELECT", "FROM", "WHERE", "ORDER", "BY", "GROUP", "OFFSET", "LIMIT", "JOIN", "IN", "AND", "OR", "NOT"],
  ...["AS", "BETWEEN", "LIKE", "ESCAPE", "EXISTS", "TOP", "DISTINCT", "VALUE", "ASC", "DESC"],
]);

/** Keywords of a clause's end that may be a property's name. */
const PROPERTY_WORDS = new Set(["OFFSET", "LIMIT", "ESCAPE"]);

/** A query's tokens, taken one by one; what is not as expected is named with its place. */
export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  get next(): Token {
    return this.#tokens[this.#at] as Token;
  }

  is(text: string): boolean {
    const token = this.next;
    return (token.kind === "name" || token.kind === "sign") && token.text.toUpperCase() === text;
  }

  /** Whether what follows the next token is this. */
  isSecond(text: string): boolean {
    const token = this.#tokens[this.#at + 1];
    return token?.kind === "sign" && token.text === text;
  }

  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.#at++;
    return true;
  }

  skip(): void {
    this.#at++;
  }

  fail(): never {
    const near = this.next.kind === "end" ? "the end" : `'${this.next.text}'`;
    throw badRequest(`Syntax error, incorrect syntax near ${near} at ${this.next.at}.`);
  }

  expect(text: string): void {
    if (!this.take(text)) this.fail();
  }

  expectEnd(): void {
    if (this.next.kind !== "end") this.fail();
  }

  get isName(): boolean {
    return this.next.kind === "name" && !RESERVED.has(this.next.text.toUpperCase());
  }

  name(): string {
    if (!this.isName) this.fail();
    const { text } = this.next;
    this.#at++;
    return text;
  }

  /** A name behind a dot. As Azure: a keyword needs brackets, c["value"]. */
  property(): string {
    const { kind, text } = this.next;
    if (kind !== "name" || (!this.isName && !PROPERTY_WORDS.has(text.toUpperCase()))) this.fail();
    this.#at++;
    return text;
  }
}
