import { type JSONPath, visit } from "jsonc-parser";
import { type Fault, Problem } from "../errors.ts";
import { lostNumber } from "../exact-number.ts";
import { MAX_FAULTS, MAX_JSON_VALUES, MAX_NESTING_LEVELS } from "../limits.ts";
import { jsonPointer } from "./json-pointer.ts";

export interface ReadJson {
  readonly value: unknown;
  /** As it was sent. */
  readonly text: string;
  /** The text of the top-level member `body`, exactly as received; undefined when it is not an object. */
  readonly bodyText: string | undefined;
  /** Numbers that lose digits when they are read: where they are, and as they were written; in order of their place. */
  readonly lostNumbers: readonly (readonly [pointer: string, written: string])[];
}

/**
 * Reads a JSON text as strictly as RFC 8259 allows and a little more: what two parsers could understand differently
 * (repeated keys, unpaired surrogates, numbers beyond range) is refused rather than guessed.
 * @param what what the text is, in the words of a fault
 * @throws Problem invalid_json, nesting_too_deep, too_many_values, invalid_request
 */
export function readJson(bytes: Uint8Array, what = "body"): ReadJson {
  const text = decode(bytes, what);
  refuseSize(text);
  const value = parse(text, what);
  const { faults, bodySpan, lostNumbers } = inspect(text);
  if (faults.length > 0) {
    throw new Problem("invalid_request", "The JSON holds what cannot be stored or told apart.", { faults });
  }
  const bodyText = bodySpan === undefined ? undefined : text.slice(bodySpan.start, bodySpan.end);
  return { value, text, bodyText, lostNumbers };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BYTE_ORDER_MARK = "\uFEFF";

function decode(bytes: Uint8Array, what: string): string {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (thrown) {
    throw new Problem("invalid_json", `The ${what} is not valid UTF-8.`, { cause: thrown });
  }
  if (text.startsWith(BYTE_ORDER_MARK))
    throw new Problem("invalid_json", `The ${what} begins with a byte order mark.`);
  return text;
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new Problem("invalid_json", `The ${what} is not valid JSON: ${whereNot(text, String(thrown))}.`);
  }
}

/** The parser's own words may quote the text, and do not always say where. */
function whereNot(text: string, words: string): string {
  const end = text.trimEnd().length;
  if (end === 0) return "it is empty";
  const at = Number(/ position (\d+)/.exec(words)?.[1] ?? firstFault(text));
  return words.includes("end of JSON") || at >= end ? "it ends too early" : `at character ${at}`;
}

/** Where a text stops being JSON. Past its first fault it may be nested however deep: nothing reads on there. */
function firstFault(text: string): number {
  const found = new Error("the first fault");
  let at = text.length;
  const onError = (_: unknown, offset: number) => {
    at = offset;
    throw found;
  };
  try {
    visit(text, { onError }, { disallowComments: true });
  } catch (thrown) {
    if (thrown !== found) throw thrown;
  }
  return at;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);

/** Before any parser that calls itself for each level, and makes a thing of each value. */
function refuseSize(text: string): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (CLOSE.has(code)) depth--;
    else if (OPEN.has(code) || code === COMMA) values++;
    if (OPEN.has(code)) depth++;
    if (depth > MAX_NESTING_LEVELS) {
      const detail = `The JSON is nested over ${MAX_NESTING_LEVELS} levels, at character ${at}.`;
      throw new Problem("nesting_too_deep", detail);
    }
    if (values > MAX_JSON_VALUES)
      throw new Problem("too_many_values", `The JSON holds over ${MAX_JSON_VALUES} values.`);
  }
}

/** Where the string that begins at `from` ends, or the text. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}

/** The answer that names a bad name must be good text itself. */
const pointerOf = (path: JSONPath): string => jsonPointer(path).toWellFormed();

/** One walk over a text that is known to parse. */
function inspect(text: string): {
  faults: Fault[];
  bodySpan: { start: number; end: number } | undefined;
  lostNumbers: [string, string][];
} {
  const lostNumbers: [string, string][] = [];
  const faults: Fault[] = [];
  const fault = (path: () => JSONPath, message: string) => {
    if (faults.length < MAX_FAULTS) faults.push({ path: pointerOf(path()), message });
  };
  const check = (part: string, path: () => JSONPath) => {
    if (part.includes("\0")) fault(path, "holds a NUL character");
    if (!part.isWellFormed()) fault(path, "holds an unpaired surrogate");
  };
  /** Depth 1 is the envelope; `member` is its member that is being read. */
  let depth = 0;
  let member = "";
  let start = -1;
  let bodySpan: { start: number; end: number } | undefined;
  const envelopeKeys = new Set<string>();
  const bodyKeys = new Set<string>();
  const enter = (offset: number) => {
    depth++;
    if (depth === 2 && member === "body") start = offset;
  };
  visit(text, {
    onObjectBegin: (offset) => enter(offset),
    onArrayBegin: () => {
      depth++;
    },
    onObjectEnd: (offset) => {
      if (depth === 2 && start >= 0 && bodySpan === undefined) bodySpan = { start, end: offset + 1 };
      depth--;
    },
    onArrayEnd: () => {
      depth--;
    },
    onObjectProperty: (name, _offset, _length, _line, _column, parentPath) => {
      const path = () => [...parentPath(), name];
      check(name, path);
      if (name === "__proto__") fault(path, "is a name that is not allowed");
      if (depth === 1) member = name;
      const keys = depth === 1 ? envelopeKeys : depth === 2 && member === "body" ? bodyKeys : undefined;
      if (keys?.has(name)) fault(path, "is there more than once");
      keys?.add(name);
    },
    onLiteralValue: (value, offset, length, _line, _column, path) => {
      const lost = typeof value === "number" ? lostNumber(text.slice(offset, offset + length)) : undefined;
      if (lost !== undefined) lostNumbers.push([pointerOf(path()), lost]);
      if (typeof value === "string") check(value, path);
      if (typeof value === "number" && !Number.isFinite(value))
        fault(path, "is a number beyond the range of JSON readers");
    },
  });
  lostNumbers.sort(([one], [other]) => (one < other ? -1 : 1));
  return { faults, bodySpan, lostNumbers };
}
