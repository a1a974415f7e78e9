import { badRequest } from "../cosmos-error.ts";

export type Token =
  | { readonly kind: "name"; readonly text: string; readonly at: number }
  | { readonly kind: "parameter"; readonly text: string; readonly at: number }
  | { readonly kind: "string"; readonly text: string; readonly at: number }
  | { readonly kind: "number"; readonly value: number; readonly text: string; readonly at: number }
  | { readonly kind: "sign"; readonly text: string; readonly at: number }
  | { readonly kind: "end"; readonly text: ""; readonly at: number };

const PATTERN =
  /\s+|--[^\n]*|(?<number>0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[A-Za-z_$][\w$]*)|(?<parameter>@[A-Za-z_][\w]*)|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<sign>\?\?|\|\||<>|>>>|<<|>>|!=|<=|>=|[-+*/%=<>()[\]{},.?:&|^~])/y;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(u[0-9a-fA-F]{4}|.)/gs, (_, escaped: string) =>
      escaped.length === 5
        ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
        : (ESCAPES[escaped] ?? escaped),
    );
}

/** @throws CosmosError 400 naming the character */
export function tokens(query: string): Token[] {
  const found: Token[] = [];
  PATTERN.lastIndex = 0;
  while (PATTERN.lastIndex < query.length) {
    const at = PATTERN.lastIndex;
    const match = PATTERN.exec(query);
    if (match === null)
      throw badRequest(`Syntax error, incorrect syntax near '${query.slice(at, at + 10)}'.`);
    const { number, name, parameter, string, sign } = match.groups ?? {};
    if (number !== undefined) found.push({ kind: "number", value: Number(number), text: number, at });
    else if (name !== undefined) found.push({ kind: "name", text: name, at });
    else if (parameter !== undefined) found.push({ kind: "parameter", text: parameter, at });
    else if (string !== undefined) found.push({ kind: "string", text: unquote(string), at });
    else if (sign !== undefined) found.push({ kind: "sign", text: sign, at });
  }
  found.push({ kind: "end", text: "", at: query.length });
  return found;
}
