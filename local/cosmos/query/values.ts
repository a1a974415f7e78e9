/** Values as queries see them: JSON, and `undefined` for what is not there, which no comparison is true of. */
export type Value = unknown;

const ORDER = ["undefined", "null", "boolean", "number", "string", "array", "object"] as const;
export type ValueType = (typeof ORDER)[number];

export function typeOf(value: Value): ValueType {
  if (value === undefined) return "undefined";
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  const type = typeof value;
  return type === "boolean" || type === "number" || type === "string" ? type : "object";
}

export function equal(left: Value, right: Value): boolean {
  if (left === right) return true;
  const type = typeOf(left);
  if (type !== typeOf(right)) return false;
  if (type === "array") {
    const [a, b] = [left as Value[], right as Value[]];
    return a.length === b.length && a.every((each, at) => equal(each, b[at]));
  }
  if (type !== "object") return false;
  const [a, b] = [left as Record<string, Value>, right as Record<string, Value>];
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equal(a[name], b[name]))
  );
}

/** Azure orders by UTF-8 bytes; the order by code point is the same. */
function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** `<`, `>` and the like are defined within one type; undefined across. */
export function compareWithin(left: Value, right: Value): number | undefined {
  const type = typeOf(left);
  if (type !== typeOf(right)) return undefined;
  if (type === "number") return (left as number) - (right as number);
  if (type === "string") return compareText(left as string, right as string);
  if (type === "boolean") return Number(left) - Number(right);
  return type === "null" ? 0 : undefined;
}

/** The order of ORDER BY, across types: undefined, null, booleans, numbers, strings, arrays, objects. */
export function compareAcross(left: Value, right: Value): number {
  const types = ORDER.indexOf(typeOf(left)) - ORDER.indexOf(typeOf(right));
  if (types !== 0) return types;
  return compareWithin(left, right) ?? compareText(JSON.stringify(left) ?? "", JSON.stringify(right) ?? "");
}

/** The same text for equal values, another one for others. */
export function canonical(value: Value): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(",")}}`;
}
