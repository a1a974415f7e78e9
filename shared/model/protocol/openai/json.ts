export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether values lie in each other on more levels than that. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  const values: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return values.some((each) => isDeeperThan(each, levels - 1));
}

/** A member of whatever it is; undefined where there is none. */
export function field(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** The value at a path of members; undefined where it ends early. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce(field, value);
}

export function filledText(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

export function filledArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value : undefined;
}
