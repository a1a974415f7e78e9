import { badRequest } from "./cosmos-error.ts";
import { SYSTEM_FIELDS } from "./item-text.ts";

interface PatchOperation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
  readonly from?: string;
}

const MAX_PATCH_OPERATIONS = 10;

/** An item after a patch, and how many operations that took. */
export interface Patched {
  readonly item: Record<string, unknown>;
  readonly operations: number;
}

/** The item after `add`, `set`, `replace`, `remove`, `incr` and `move`, in order. @throws CosmosError 400 */
export function applyPatch(item: Record<string, unknown>, patch: unknown): Patched {
  const operations = (
    Array.isArray(patch) ? patch : (patch as { operations?: unknown } | null)?.operations
  ) as unknown;
  if (!Array.isArray(operations) || operations.length === 0)
    throw badRequest("A patch needs at least one operation.");
  if (operations.length > MAX_PATCH_OPERATIONS)
    throw badRequest(`A patch has at most ${MAX_PATCH_OPERATIONS} operations.`);
  const patched = structuredClone(item);
  for (const operation of operations as PatchOperation[]) applyOne(patched, operation);
  return { item: patched, operations: operations.length };
}

type Parent = Record<string, unknown> | unknown[];

function applyOne(item: Record<string, unknown>, operation: PatchOperation): void {
  const { op, path, value, from } = operation;
  refuseSystem(path);
  if (op === "move") refuseSystem(from ?? "");
  switch (op) {
    case "add":
      add(item, path, value);
      return;
    case "set":
      put(item, path, value);
      return;
    case "replace":
      get(item, path);
      put(item, path, value);
      return;
    case "remove":
      remove(item, path);
      return;
    case "incr":
      increment(item, path, value);
      return;
    case "move": {
      const moved = get(item, from ?? "");
      remove(item, from ?? "");
      add(item, path, moved);
      return;
    }
    default:
      throw badRequest(`The patch operation ${String(op)} is not known.`);
  }
}

function refuseSystem(path: string): void {
  const [, first = ""] = String(path).split("/");
  if (SYSTEM_FIELDS.includes(first)) throw badRequest(`The patch path ${path} is a system property's.`);
}

function locate(item: Record<string, unknown>, path: string): { parent: Parent; name: string } {
  if (typeof path !== "string" || !/^\/./.test(path))
    throw badRequest(`The patch path ${String(path)} is not valid.`);
  const names = path
    .slice(1)
    .split("/")
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = names.pop() ?? "";
  let parent: unknown = item;
  for (const name of names) parent = child(parent, name);
  if (typeof parent !== "object" || parent === null)
    throw badRequest(`The patch path ${path} does not exist.`);
  return { parent: parent as Parent, name: last };
}

function child(parent: unknown, name: string): unknown {
  if (typeof parent !== "object" || parent === null || !Object.hasOwn(parent, name)) return undefined;
  return (parent as Record<string, unknown>)[name];
}

function get(item: Record<string, unknown>, path: string): unknown {
  const { parent, name } = locate(item, path);
  const value = child(parent, name);
  if (value === undefined) throw badRequest(`The patch path ${path} does not exist.`);
  return value;
}

function put(item: Record<string, unknown>, path: string, value: unknown): void {
  if (value === undefined) throw badRequest(`The patch of ${path} has no value.`);
  const { parent, name } = locate(item, path);
  if (!Array.isArray(parent)) parent[name] = value;
  else if (name === "-") parent.push(value);
  else parent[index(parent, name)] = value;
}

function add(item: Record<string, unknown>, path: string, value: unknown): void {
  const { parent, name } = locate(item, path);
  if (Array.isArray(parent) && name !== "-") parent.splice(index(parent, name), 0, value);
  else put(item, path, value);
}

function remove(item: Record<string, unknown>, path: string): void {
  get(item, path);
  const { parent, name } = locate(item, path);
  if (Array.isArray(parent)) parent.splice(index(parent, name), 1);
  else delete parent[name];
}

function increment(item: Record<string, unknown>, path: string, value: unknown): void {
  const { parent, name } = locate(item, path);
  const before = child(parent, name) ?? 0;
  if (typeof before !== "number" || typeof value !== "number")
    throw badRequest(`The patch of ${path} increments no number.`);
  put(item, path, before + value);
}

function index(parent: readonly unknown[], name: string): number {
  const at = Number(name);
  if (!/^\d+$/.test(name) || at > parent.length)
    throw badRequest(`The array index ${name} is out of bounds.`);
  return at;
}
