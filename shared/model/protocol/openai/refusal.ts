import { parse } from "jsonc-parser";
import { at, field, filledText, isObject, type JsonObject } from "../json.ts";

/** What a refusal says, in whatever shape it came. */
export interface Refusal {
  /** In the lab's own words, for people; "": it has none. */
  readonly words: string;
  /** Its codes and types in lower case, the most particular first. */
  readonly codes: readonly string[];
  /** The HTTP status that its body names; null: none. */
  readonly status: number | null;
  /** How long it asks to be left alone, as it says it; null: it does not. */
  readonly retryDelay: string | null;
}

const NOTHING: Refusal = { words: "", codes: [], status: null, retryDelay: null };

/** A job's error is no place for a page of HTML, nor for an echo of the request. */
export const MAX_WORDS_CHARS = 300;

export function shortened(text: string): string {
  return text.length > MAX_WORDS_CHARS ? `${text.slice(0, MAX_WORDS_CHARS).toWellFormed()}…` : text;
}

/**
 * Reads a refusal of any shape that was seen:
 *
 * - OpenAI `{error: {message, type, param, code}}`, Azure the same with `innererror`, Anthropic `{type: "error", error}`
 * - xAI `{code, error: "text"}`, llama.cpp `{error: {code: 400, type}}`, vLLM `{object: "error", message, type, code}`
 * - FastAPI `{detail: "text" | [{loc, msg}]}`, problem+json `{title, detail}`
 * - Google `[{error: {status, details: [{reason, retryDelay}]}}]`
 * - relays `{errors: [{code, message}]}`, `{code, msg}`, `{error_code, error_msg}`, `{base_resp: {status_code, status_msg}}`,
 *   and another lab's refusal as text inside `message` or `metadata.raw`
 * - a page of HTML, and plain text
 * @param text may be cut short: what is there is read
 */
export function refusalOf(text: string): Refusal {
  const json = jsonOf(text);
  if (json !== undefined) return refusalIn(json, MAX_NESTED);
  const words = /<(?:!doctype|html|head|body|title|h1)\b/i.test(text) ? pageWords(text) : text;
  return { ...NOTHING, words: oneLine(words) };
}

/** JSON, even if its end is missing. */
function jsonOf(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Cut off, or sloppy: what can be read of it says more than nothing.
    return parse(text) as unknown;
  }
}

/** A relay's refusal may hold the lab's as text, and that another one's. */
const MAX_NESTED = 3;

/** Reads a parsed refusal. @param nested how many layers of text may be looked into */
export function refusalIn(json: unknown, nested = MAX_NESTED): Refusal {
  const root = Array.isArray(json) ? json[0] : json;
  if (typeof root === "string") return { ...NOTHING, words: oneLine(root) };
  if (!isObject(root)) return NOTHING;
  const layers = layersOf(root);
  const inner = nested === 0 ? undefined : innerOf(layers, nested);
  const words = inner?.words || firstWords(layers);
  return {
    words: oneLine(words),
    codes: [...(inner?.codes ?? []), ...layers.flatMap(codesIn)],
    status: inner?.status ?? firstStatus(layers),
    retryDelay: inner?.retryDelay ?? retryDelayIn(layers),
  };
}

/** The objects that tell of the fault, the innermost first. */
function layersOf(root: JsonObject): readonly JsonObject[] {
  const { error, errors, base_resp, header } = root;
  const first = Array.isArray(errors) ? errors[0] : errors;
  const layers: unknown[] = [error, first, base_resp, header, root];
  const details = [field(error, "innererror"), ...arrayOf(field(error, "details"))];
  return [...details, ...layers].filter(isObject);
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 10) : [];
}

function innerOf(layers: readonly JsonObject[], nested: number): Refusal | undefined {
  for (const layer of layers) {
    for (const text of [at(layer, "metadata", "raw"), layer.message, layer.error]) {
      if (typeof text !== "string") continue;
      const json = /\{.*\}/s.exec(text)?.[0];
      if (json === undefined) continue;
      const parsed = quietly(json);
      // A sentence may hold any braces, those of the request among them.
      if (!isObject(parsed) || !("error" in parsed || parsed.object === "error")) continue;
      const inner = refusalIn(parsed, nested - 1);
      if (inner.words !== "" || inner.codes.length > 0) return inner;
    }
  }
  return undefined;
}

function quietly(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const WORDS = [
  "message",
  "msg",
  "error_msg",
  "status_msg",
  "error_message",
  "detail",
  "error_description",
  "title",
];

function firstWords(layers: readonly JsonObject[]): string {
  const ordered = layers.flatMap((layer) => [...WORDS.map((name) => layer[name]), layer.error]);
  for (const value of ordered) {
    const words = filledText(value) ?? (Array.isArray(value) ? faultsIn(value) : undefined);
    if (words !== undefined) return words;
  }
  return "";
}

/** FastAPI's list of faults: `body.messages.2: Input should be a valid string`. What was sent is not repeated. */
function faultsIn(list: readonly unknown[]): string | undefined {
  const faults = list.slice(0, 5).flatMap((fault) => {
    const message =
      filledText(field(fault, "msg")) ?? filledText(field(fault, "message")) ?? filledText(fault);
    const place = field(fault, "loc");
    if (message === undefined) return [];
    return [Array.isArray(place) ? `${place.join(".")}: ${message}` : message];
  });
  return faults.length === 0 ? undefined : faults.join("; ");
}

const CODES = ["code", "error_code", "reason", "type", "status", "status_code"];

function codesIn(layer: JsonObject): string[] {
  return CODES.flatMap((name) => {
    const code = layer[name];
    const text = typeof code === "number" ? String(code) : filledText(code);
    return text === undefined || text.length > MAX_CODE_CHARS ? [] : [text.toLowerCase()];
  });
}

/** A longer one is a sentence. */
const MAX_CODE_CHARS = 60;

function firstStatus(layers: readonly JsonObject[]): number | null {
  for (const layer of layers) {
    for (const name of ["code", "status", "status_code", "http_status"]) {
      const status = Number(layer[name]);
      if (typeof layer[name] !== "boolean" && Number.isInteger(status) && status >= 400 && status < 600)
        return status;
    }
  }
  return null;
}

function retryDelayIn(layers: readonly JsonObject[]): string | null {
  for (const layer of layers) {
    const delay =
      layer.retryDelay ??
      layer.retry_after ??
      layer.retry_after_seconds ??
      at(layer, "metadata", "retry_after");
    if (typeof delay === "number" || typeof delay === "string") return String(delay);
  }
  return null;
}

/** A page says what it is about at its beginning. */
const MAX_PAGE_CHARS = 16_000;

function pageWords(page: string): string {
  const html = page.slice(0, MAX_PAGE_CHARS);
  const title = /<title[^>]*>([^<]+)<\/title>/i.exec(html)?.[1] ?? /<h1[^>]*>([^<]+)<\/h1>/i.exec(html)?.[1];
  const text = title ?? html.replace(/<(script|style)\b.*?<\/\1>/gis, " ").replace(/<[^>]*>/g, " ");
  return `a page of HTML: ${text}`;
}

function oneLine(text: string): string {
  return shortened(
    text
      .slice(0, 4 * MAX_WORDS_CHARS)
      .replace(/\s+/g, " ")
      .trim(),
  );
}
