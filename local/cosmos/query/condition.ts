import { CosmosError } from "../cosmos-error.ts";
import { compile } from "./compile.ts";
import { parseCondition } from "./parser.ts";
import { prepare } from "./prepare.ts";

/** A patch's condition. @throws CosmosError 412 when it is not true of the item */
export function requireOneOf(condition: string, item: Record<string, unknown>, nowMs: number): void {
  const { alias, where } = parseCondition(condition);
  const environment = { parameters: new Map<string, unknown>(), nowMs };
  const aliases = new Set([alias]);
  const test = compile(where, {
    ...environment,
    aliases,
    subquery: (query, known) => {
      const prepared = prepare(query, known, environment, false);
      return (scope) => [...prepared.run([scope])].map((row) => row.value);
    },
  });
  if (test({ names: { [alias]: item } }) !== true) {
    throw new CosmosError(412, "One of the specified pre-condition is not met.");
  }
}
