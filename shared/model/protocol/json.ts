import { lostNumber } from "../../exact-number.ts";
import { MAX_NESTING_LEVELS } from "../../limits.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether values lie in each other on more levels than that. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  // Each answer is walked through, embeddings of many numbers too: no list of an object's values is made.
  if (Array.isArray(value)) return value.some((each) => isDeeperThan(each, levels - 1));
  for (const name in value) if (isDeeperThan((value as JsonObject)[name], levels - 1)) return true;
  return false;
}

/** A member of whatever it is; undefined where there is none. */
export function field(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** The value at a path of members; undefined where it ends early. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce(field, value);
}

/** What a value is to be called: a text by itself, anything else by its type. */
export function wordOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value;
}

/** A text; "" for anything else. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function filledText(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

export function filledArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value : undefined;
}

/** The object that a JSON text is; undefined where it is none, or so deep that readers of JSON die of it. */
export function objectOf(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && !isDeeperThan(value, MAX_NESTING_LEVELS) ? value : undefined;
  } catch {
    // What labs and relays send may be anything: the caller says what it makes of it.
    return undefined;
  }
}

/** JSON with `rawJSON` and the source of numbers, which TypeScript does not know yet. */
const exactJson = JSON as unknown as {
  parse(
    text: string,
    reviver: (name: string, value: unknown, of: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
};

/** The object that a JSON text is, to be written again: numbers keep all their digits, and are then no numbers. */
export function exactObjectOf(text: string): JsonObject | undefined {
  if (!/\d{16}|\d\.\d{10}/.test(text)) return objectOf(text);
  try {
    const value = exactJson.parse(text, (_, each, { source = "" }) =>
      typeof each === "number" && lostNumber(source) !== undefined ? exactJson.rawJSON(source) : each,
    );
    return isObject(value) && !isDeeperThan(value, MAX_NESTING_LEVELS) ? value : undefined;
  } catch {
    // As above.
    return undefined;
  }
}
