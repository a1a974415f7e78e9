import { badRequest } from "../cosmos-error.ts";
import { equal, typeOf, type Value } from "./values.ts";

export type Run = (parts: readonly Value[]) => Value;

interface Entry {
  readonly least: number;
  readonly most: number;
  readonly run: Run;
}

const entry = (least: number, most: number, run: Run): Entry => ({ least, most, run });

const text =
  (run: (t: string, ...rest: Value[]) => Value): Run =>
  ([t, ...rest]) =>
    typeof t === "string" ? run(t, ...rest) : undefined;

const number =
  (run: (n: number) => number): Run =>
  ([n]) => {
    if (typeof n !== "number") return undefined;
    const result = run(n);
    return Number.isFinite(result) ? result : undefined;
  };

/** Functions of two texts and an optional «ignore case». */
const matching =
  (test: (whole: string, part: string) => boolean): Run =>
  ([whole, part, ignoreCase]) => {
    if (typeof whole !== "string" || typeof part !== "string") return undefined;
    return ignoreCase === true ? test(whole.toLowerCase(), part.toLowerCase()) : test(whole, part);
  };

const array =
  (run: (list: readonly Value[], ...rest: Value[]) => Value): Run =>
  ([list, ...rest]) =>
    Array.isArray(list) ? run(list, ...rest) : undefined;

const is =
  (...types: string[]): Run =>
  ([value]) =>
    types.includes(typeOf(value));

const whole = (value: Value): number | undefined =>
  typeof value === "number" && Number.isInteger(value) ? value : undefined;

function containsElement(list: readonly Value[], sought: Value, partial: Value): boolean {
  return list.some((each) => equal(each, sought) || (partial === true && isPart(each, sought)));
}

function isPart(element: Value, sought: Value): boolean {
  if (typeOf(element) !== "object" || typeOf(sought) !== "object") return false;
  const owner = element as Record<string, Value>;
  return Object.entries(sought as object).every(
    ([name, value]) => Object.hasOwn(owner, name) && equal(owner[name], value),
  );
}

function roundHalfAway(n: number): number {
  return Math.sign(n) * Math.round(Math.abs(n));
}

function substring(t: string, start: Value, length: Value): Value {
  const [from, count] = [whole(start), whole(length)];
  return from === undefined || count === undefined
    ? undefined
    : t.slice(Math.max(from, 0), Math.max(from, 0) + Math.max(count, 0));
}

const parsed = (t: string): Value => {
  try {
    return JSON.parse(t);
  } catch {
    return undefined; // as Azure has it: undefined for a text that is none
  }
};

const TEXT: Readonly<Record<string, Entry>> = {
  CONCAT: entry(2, 100, (parts) => (parts.every((p) => typeof p === "string") ? parts.join("") : undefined)),
  CONTAINS: entry(
    2,
    3,
    matching((w, p) => w.includes(p)),
  ),
  STARTSWITH: entry(
    2,
    3,
    matching((w, p) => w.startsWith(p)),
  ),
  ENDSWITH: entry(
    2,
    3,
    matching((w, p) => w.endsWith(p)),
  ),
  STRINGEQUALS: entry(
    2,
    3,
    matching((w, p) => w === p),
  ),
  INDEX_OF: entry(
    2,
    3,
    text((t, part, from) => (typeof part === "string" ? t.indexOf(part, whole(from) ?? 0) : undefined)),
  ),
  LEFT: entry(
    2,
    2,
    text((t, n) => (whole(n) === undefined ? undefined : t.slice(0, Math.max(0, Number(n))))),
  ),
  RIGHT: entry(
    2,
    2,
    text((t, n) => (whole(n) === undefined ? undefined : Number(n) <= 0 ? "" : t.slice(-Number(n)))),
  ),
  LENGTH: entry(
    1,
    1,
    text((t) => [...t].length),
  ),
  LOWER: entry(
    1,
    2,
    text((t) => t.toLowerCase()),
  ),
  UPPER: entry(
    1,
    2,
    text((t) => t.toUpperCase()),
  ),
  TRIM: entry(
    1,
    1,
    text((t) => t.trim()),
  ),
  LTRIM: entry(
    1,
    1,
    text((t) => t.trimStart()),
  ),
  RTRIM: entry(
    1,
    1,
    text((t) => t.trimEnd()),
  ),
  REPLACE: entry(
    3,
    3,
    text((t, a, b) => (typeof a === "string" && typeof b === "string" ? t.replaceAll(a, b) : undefined)),
  ),
  REPLICATE: entry(
    2,
    2,
    text((t, n) => (whole(n) === undefined || Number(n) < 0 ? undefined : t.repeat(Number(n)))),
  ),
  REVERSE: entry(
    1,
    1,
    text((t) => [...t].reverse().join("")),
  ),
  SUBSTRING: entry(3, 3, text(substring)),
  REGEXMATCH: entry(
    2,
    3,
    text((t, form, flags) =>
      typeof form === "string" ? new RegExp(form, typeof flags === "string" ? flags : "").test(t) : undefined,
    ),
  ),
  TOSTRING: entry(1, 1, ([v]) =>
    v === undefined ? undefined : typeof v === "string" ? v : JSON.stringify(v),
  ),
  STRINGTOARRAY: entry(
    1,
    1,
    text((t) => (Array.isArray(parsed(t)) ? parsed(t) : undefined)),
  ),
  STRINGTOBOOLEAN: entry(
    1,
    1,
    text((t) => ({ true: true, false: false })[t.trim()]),
  ),
  STRINGTONULL: entry(
    1,
    1,
    text((t) => (t.trim() === "null" ? null : undefined)),
  ),
  STRINGTONUMBER: entry(
    1,
    1,
    text((t) => (typeof parsed(t.trim()) === "number" ? parsed(t.trim()) : undefined)),
  ),
  STRINGTOOBJECT: entry(
    1,
    1,
    text((t) => (typeOf(parsed(t)) === "object" ? parsed(t) : undefined)),
  ),
};

const MATHS: Readonly<Record<string, Entry>> = {
  ...Object.fromEntries(
    (
      [
        "abs",
        "ceil",
        "floor",
        "sqrt",
        "exp",
        "log10",
        "sign",
        "trunc",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
      ] as const
    ).map((name) => [
      ({ ceil: "CEILING" } as Record<string, string>)[name] ?? name.toUpperCase(),
      entry(1, 1, number(Math[name])),
    ]),
  ),
  ROUND: entry(1, 1, number(roundHalfAway)),
  SQUARE: entry(
    1,
    1,
    number((n) => n * n),
  ),
  PI: entry(0, 0, () => Math.PI),
  LOG: entry(1, 2, ([n, base]) =>
    number((x) => (typeof base === "number" ? Math.log(x) / Math.log(base) : Math.log(x)))([n]),
  ),
  POWER: entry(2, 2, ([a, b]) => (typeof a === "number" && typeof b === "number" ? a ** b : undefined)),
};

const ARRAYS: Readonly<Record<string, Entry>> = {
  ARRAY_CONCAT: entry(2, 100, (lists) => (lists.every(Array.isArray) ? lists.flat() : undefined)),
  ARRAY_CONTAINS: entry(
    2,
    3,
    array((list, sought, partial) => containsElement(list, sought, partial)),
  ),
  ARRAY_CONTAINS_ANY: entry(
    2,
    100,
    array((list, ...sought) => sought.some((each) => containsElement(list, each, false))),
  ),
  ARRAY_CONTAINS_ALL: entry(
    2,
    100,
    array((list, ...sought) => sought.every((each) => containsElement(list, each, false))),
  ),
  ARRAY_LENGTH: entry(
    1,
    1,
    array((list) => list.length),
  ),
  ARRAY_SLICE: entry(
    2,
    3,
    array((list, start, length) => {
      const from = whole(start);
      if (from === undefined) return undefined;
      const first = from < 0 ? Math.max(0, list.length + from) : from;
      return list.slice(first, length === undefined ? undefined : first + Math.max(0, Number(length)));
    }),
  ),
  SETINTERSECT: entry(
    2,
    2,
    array((a, b) => (Array.isArray(b) ? a.filter((each) => containsElement(b, each, false)) : undefined)),
  ),
  SETUNION: entry(
    2,
    2,
    array((a, b) =>
      Array.isArray(b) ? [...a, ...b.filter((each) => !containsElement(a, each, false))] : undefined,
    ),
  ),
};

const TYPES: Readonly<Record<string, Entry>> = {
  IS_ARRAY: entry(1, 1, is("array")),
  IS_BOOL: entry(1, 1, is("boolean")),
  IS_DEFINED: entry(1, 1, ([value]) => value !== undefined),
  IS_NULL: entry(1, 1, is("null")),
  IS_NUMBER: entry(1, 1, is("number")),
  IS_INTEGER: entry(1, 1, ([value]) => Number.isInteger(value)),
  IS_FINITE_NUMBER: entry(1, 1, ([value]) => typeof value === "number" && Number.isFinite(value)),
  IS_OBJECT: entry(1, 1, is("object")),
  IS_PRIMITIVE: entry(1, 1, is("boolean", "number", "string", "null")),
  IS_STRING: entry(1, 1, is("string")),
  IIF: entry(3, 3, ([condition, yes, no]) => (condition === true ? yes : no)),
};

const FUNCTIONS: ReadonlyMap<string, Entry> = new Map(
  Object.entries({ ...TEXT, ...MATHS, ...ARRAYS, ...TYPES }),
);

/** @throws CosmosError 400 for a function that is not served, or that takes other arguments */
export function functionNamed(name: string, parts: number): Run {
  const found = FUNCTIONS.get(name);
  if (found === undefined) throw badRequest(`The function ${name} is not served by this emulator.`);
  if (parts < found.least || parts > found.most) {
    throw badRequest(`The function ${name} takes ${found.least} to ${found.most} arguments, not ${parts}.`);
  }
  return found.run;
}
