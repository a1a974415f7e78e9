import { CosmosError } from "../cosmos-error.ts";
import { compile } from "./compile.ts";
import { parseCondition } from "./parser.ts";
import { rowsOf } from "./rows.ts";

/** A patch's condition. @throws CosmosError 412 when it is not true of the item */
export function requireOneOf(condition: string, item: Record<string, unknown>): void {
  const { alias, where } = parseCondition(condition);
  const parameters = new Map<string, unknown>();
  const test = compile(where, {
    parameters,
    aliases: new Set([alias]),
    subquery: (query, scope) => rowsOf(query, [scope], parameters),
  });
  if (test({ names: { [alias]: item } }) !== true) {
    throw new CosmosError(412, "One of the specified pre-condition is not met.");
  }
}
