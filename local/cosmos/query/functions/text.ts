import { badRequest } from "../../cosmos-error.ts";
import { typeOf, type Value } from "../values.ts";
import { ANY_NUMBER, type Entries, type Entry, entry, isWhole, ofText } from "./entry.ts";

/** Longest text a function makes. */
const MAX_REPEATED_CHARS = 1_000_000;

/** A function of two texts and an optional «ignore case». */
const matching = (test: (whole: string, part: string) => boolean): Entry =>
  entry(2, 3, ([whole, part, ignoreCase]) => {
    if (typeof whole !== "string" || typeof part !== "string") return undefined;
    return ignoreCase === true ? test(whole.toLowerCase(), part.toLowerCase()) : test(whole, part);
  });

/** CONTAINS_ANY and CONTAINS_ALL, with (`_CS`) and without (`_CI`) regard to case. */
const containing = (every: boolean, ignoreCase: boolean): Entry =>
  entry(2, ANY_NUMBER, (parts) => {
    if (!parts.every((part) => typeof part === "string")) return undefined;
    const [whole = "", ...sought] = ignoreCase ? parts.map((part) => part.toLowerCase()) : parts;
    const test = (part: string) => whole.includes(part);
    return every ? sought.every(test) : sought.some(test);
  });

function substring(t: string, start: Value, length: Value): Value {
  if (!isWhole(start) || !isWhole(length)) return undefined;
  const from = Math.max(start, 0);
  return t.slice(from, from + Math.max(length, 0));
}

function trimmed(t: string, chars: Value, start: boolean, end: boolean): Value {
  if (chars === undefined) return start && end ? t.trim() : start ? t.trimStart() : t.trimEnd();
  if (typeof chars !== "string") return undefined;
  let [from, to] = [0, t.length];
  while (start && from < to && chars.includes(t[from] as string)) from++;
  while (end && to > from && chars.includes(t[to - 1] as string)) to--;
  return t.slice(from, to);
}

const trim = (start: boolean, end: boolean) =>
  entry(1, 2, (parts) => {
    const [t, chars] = parts;
    if (typeof t !== "string" || (parts.length > 1 && typeof chars !== "string")) return undefined;
    return trimmed(t, chars, start, end);
  });

const FLAGS = /^[imsx]*$/;

function matches(t: string, form: Value, flags: Value): Value {
  if (typeof form !== "string") return undefined;
  const modifiers = typeof flags === "string" ? flags : "";
  if (!FLAGS.test(modifiers)) throw badRequest(`RegexMatch does not know the modifiers '${modifiers}'.`);
  // x ignores white space in the pattern, which JavaScript has no flag for.
  const source = modifiers.includes("x") ? form.replace(/\s+/g, "") : form;
  try {
    return new RegExp(source, [...new Set(modifiers.replaceAll("x", ""))].join("")).test(t);
  } catch (thrown) {
    throw badRequest(`RegexMatch: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

/** The JSON value of a text; undefined for a text that is none, as Azure has it. */
function parsed(t: string): Value {
  try {
    return JSON.parse(t);
  } catch {
    return undefined;
  }
}

const parsedAs = (type: string): Entry =>
  ofText(1, 1, (t) => {
    const value = parsed(t.trim());
    return typeOf(value) === type ? value : undefined;
  });

function indexOf(t: string, part: Value, from: Value): Value {
  if (typeof part !== "string" || (from !== undefined && !isWhole(from))) return undefined;
  return t.indexOf(part, from ?? 0);
}

/** What is before (or behind) the first (or last) `part`; undefined where there is none. */
const split = (first: boolean, before: boolean): Entry =>
  ofText(2, 2, (t, part) => {
    if (typeof part !== "string") return undefined;
    const at = first ? t.indexOf(part) : t.lastIndexOf(part);
    if (at < 0) return undefined;
    return before ? t.slice(0, at) : t.slice(at + part.length);
  });

export const TEXT: Entries = {
  CONCAT: entry(2, ANY_NUMBER, (parts) =>
    parts.every((part) => typeof part === "string") ? parts.join("") : undefined,
  ),
  CONTAINS: matching((w, p) => w.includes(p)),
  CONTAINS_ALL_CI: containing(true, true),
  CONTAINS_ALL_CS: containing(true, false),
  CONTAINS_ANY_CI: containing(false, true),
  CONTAINS_ANY_CS: containing(false, false),
  STARTSWITH: matching((w, p) => w.startsWith(p)),
  ENDSWITH: matching((w, p) => w.endsWith(p)),
  STRINGEQUALS: matching((w, p) => w === p),
  INDEX_OF: ofText(2, 3, indexOf),
  LASTINDEXOF: ofText(2, 2, (t, part) => (typeof part === "string" ? t.lastIndexOf(part) : undefined)),
  LEFT: ofText(2, 2, (t, n) => (isWhole(n) ? t.slice(0, Math.max(0, n)) : undefined)),
  RIGHT: ofText(2, 2, (t, n) => (isWhole(n) ? (n <= 0 ? "" : t.slice(-n)) : undefined)),
  LENGTH: ofText(1, 1, (t) => [...t].length),
  LOWER: ofText(1, 1, (t) => t.toLowerCase()),
  UPPER: ofText(1, 1, (t) => t.toUpperCase()),
  TRIM: trim(true, true),
  LTRIM: trim(true, false),
  RTRIM: trim(false, true),
  REPLACE: ofText(3, 3, (t, a, b) =>
    typeof a === "string" && typeof b === "string" ? t.replaceAll(a, () => b) : undefined,
  ),
  REPLICATE: ofText(2, 2, (t, n) =>
    isWhole(n) && n >= 0 && n * t.length <= MAX_REPEATED_CHARS ? t.repeat(n) : undefined,
  ),
  REVERSE: ofText(1, 1, (t) => [...t].reverse().join("")),
  STRINGJOIN: entry(2, 2, ([list, mark]) =>
    Array.isArray(list) && list.every((each) => typeof each === "string") && typeof mark === "string"
      ? list.join(mark)
      : undefined,
  ),
  STRINGSPLIT: ofText(2, 2, (t, mark) => (typeof mark === "string" ? t.split(mark) : undefined)),
  SUBSTRING: ofText(3, 3, substring),
  SUBSTRINGBEFORE: split(true, true),
  SUBSTRINGAFTER: split(true, false),
  LASTSUBSTRINGBEFORE: split(false, true),
  LASTSUBSTRINGAFTER: split(false, false),
  REGEXMATCH: ofText(2, 3, matches),
  TOSTRING: entry(1, 1, ([v]) =>
    v === undefined ? undefined : typeof v === "string" ? v : JSON.stringify(v),
  ),
  STRINGTOARRAY: parsedAs("array"),
  STRINGTOBOOLEAN: parsedAs("boolean"),
  STRINGTONULL: parsedAs("null"),
  STRINGTONUMBER: parsedAs("number"),
  STRINGTOOBJECT: parsedAs("object"),
};
