import { badRequest } from "../cosmos-error.ts";
import type { Binding, Expression } from "./ast.ts";
import { type CompileContext, compile } from "./compile.ts";
import type { Scope } from "./scope.ts";
import type { Value } from "./values.ts";

/** Adds what a FROM or a JOIN names to each row; none, one or many rows come of one. */
export type Bind = (scope: Scope) => Scope[];

/** `root`: the first name means the item itself. @throws CosmosError 400 */
export function bindingOf(binding: Binding, context: CompileContext, root: boolean): Bind {
  const { alias, source, each } = binding;
  const bound = (scope: Scope, value: Value): Scope => ({
    ...scope,
    names: { ...scope.names, [alias]: value },
  });
  if (source.kind === "subquery") {
    const run = context.subquery(source.query, context.aliases);
    return (scope) => run(scope).map((value) => bound(scope, value));
  }
  const value = compile(resolved(source, context.aliases, root), context);
  if (!each) {
    return (scope) => {
      const found = value(scope);
      return found === undefined ? [] : [bound(scope, found)];
    };
  }
  return (scope) => {
    const list = value(scope);
    return Array.isArray(list) ? list.map((element: Value) => bound(scope, element)) : [];
  };
}

/** A path whose first name is an alias, or means the item. */
export function resolved(path: Expression, aliases: ReadonlySet<string>, root: boolean): Expression {
  if (path.kind === "member") return { ...path, of: resolved(path.of, aliases, root) };
  if (path.kind !== "name" || aliases.has(path.name)) return path;
  if (root) return { kind: "root" };
  throw badRequest(`Identifier '${path.name}' could not be resolved.`);
}
