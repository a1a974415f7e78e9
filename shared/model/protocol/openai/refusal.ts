import { parse } from "jsonc-parser";
import { field, filledText, isObject, type JsonObject } from "../json.ts";

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
 * Reads a refusal of any shape that was seen. Its words, codes and waits are looked for under the names that labs use
 * for them, in whatever they lie in, the innermost first:
 *
 * - OpenAI `{error: {message, type, param, code}}`, Azure the same with `innererror`, Anthropic `{type: "error", error}`
 * - xAI `{code, error: "text"}`, llama.cpp `{error: {code: 400, type}}`, vLLM `{object: "error", message, type, code}`
 * - FastAPI `{detail: "text" | [{loc, msg}]}`, Mistral the same below `message`, problem+json `{title, detail, errors}`
 * - Google `[{error: {status, details: [{reason, retryDelay}]}}]`, AWS `{Message}`, Apigee `{fault: {faultstring}}`
 * - relays `{errors: [{code, message}]}`, `{code, msg}`, `{error_code, error_msg}`, `{base_resp: {status_code, status_msg}}`,
 *   and another lab's refusal as text inside `message` or `metadata.raw`
 * - an event of a stream, a page of HTML, and plain text
 * @param text may be cut short: what is there is read
 */
export function refusalOf(text: string): Refusal {
  const json = jsonOf(text);
  if (json !== undefined) return refusalIn(json, MAX_NESTED);
  const words = /<(?:!doctype|html|head|body|title|h1)\b/i.test(text) ? pageWords(text) : text;
  return { ...NOTHING, words: oneLine(words) };
}

/** JSON, even if its end is missing, or an event of a stream that is; undefined: nothing of it can be read so. */
function jsonOf(text: string): unknown {
  const said = /^(?:event|data):/.test(text) ? (/^data:(.*)$/m.exec(text)?.[1] ?? "") : text;
  if (!/^\s*[{["]/.test(said)) return undefined;
  try {
    return JSON.parse(said);
  } catch {
    // Cut off, or sloppy: what can be read of it says more than nothing.
    const read = parse(said) as unknown;
    return typeof read === "object" && read !== null && Object.keys(read).length > 0 ? read : undefined;
  }
}

/** A relay's refusal may hold the lab's as text, and that another one's. */
const MAX_NESTED = 3;

/** Reads a parsed refusal. @param nested how many layers of text may be looked into */
export function refusalIn(json: unknown, nested = MAX_NESTED): Refusal {
  const root = Array.isArray(json) ? json[0] : json;
  if (typeof root === "string") return innerOf([root], nested) ?? { ...NOTHING, words: oneLine(root) };
  if (!isObject(root)) return NOTHING;
  const layers = layersOf(root, MAX_LAYERS);
  const texts = layers.flatMap(({ raw, message, error }) => [raw, message, error]);
  const inner = innerOf(texts, nested);
  const words = inner?.words || firstWords(layers);
  return {
    words: oneLine(words),
    codes: [...(inner?.codes ?? []), ...layers.flatMap(codesIn)],
    status: inner?.status ?? firstStatus(layers),
    retryDelay: inner?.retryDelay ?? retryDelayIn(layers),
  };
}

/** What a refusal lies in. Names are compared in lower case, without `_` and `-`. */
const WITHIN = [
  ...["error", "errors", "innererror", "details", "detail", "baseresp", "header", "fault"],
  ...["data", "message", "response", "metadata", "headers"],
];
const MAX_LAYERS = 4;

/** The objects that tell of the fault, the innermost first. */
function layersOf(value: unknown, depth: number): readonly JsonObject[] {
  if (Array.isArray(value)) return value.slice(0, 10).flatMap((each) => layersOf(each, depth));
  if (!isObject(value) || depth === 0) return [];
  const layer = Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name.replace(/[-_]/g, "").toLowerCase(), each]),
  );
  // FastAPI's list of faults is put into words as a whole.
  const within = WITHIN.filter((name) => !(name === "detail" && Array.isArray(layer[name])));
  return [...within.flatMap((name) => layersOf(layer[name], depth - 1)), layer];
}

/** Another lab's refusal, in the texts of a relay's. */
function innerOf(texts: readonly unknown[], nested: number): Refusal | undefined {
  if (nested === 0) return undefined;
  for (const text of texts) {
    if (typeof text !== "string") continue;
    const json = /\{.*\}/s.exec(text)?.[0];
    const parsed = json === undefined ? undefined : quietly(json);
    if (json === undefined || !isObject(parsed)) continue;
    // A sentence may hold any braces, those of the request among them.
    if (!("error" in parsed || parsed.object === "error" || json === text.trim())) continue;
    const inner = refusalIn(parsed, nested - 1);
    if (inner.words !== "" || inner.codes.length > 0) return inner;
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
  ...["message", "msg", "errormsg", "statusmsg", "errormessage", "detail", "errordescription"],
  ...["faultstring", "title"],
];

function firstWords(layers: readonly JsonObject[]): string {
  const ordered = layers.flatMap((layer) => [...WORDS.map((name) => layer[name]), layer.error, layer.errors]);
  // A reason is a code, where there are words.
  for (const value of [...ordered, ...layers.map(({ reason }) => reason)]) {
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

const CODES = ["code", "errorcode", "reason", "type", "errortype", "status", "statuscode"];

function codesIn(layer: JsonObject): string[] {
  return CODES.flatMap((name) => {
    const code = layer[name];
    const text = typeof code === "number" ? String(code) : filledText(code);
    // Where 0 is a code, it says that all is well.
    return text === undefined || text === "0" || text.length > MAX_CODE_CHARS ? [] : [text.toLowerCase()];
  });
}

/** A longer one is a sentence. */
const MAX_CODE_CHARS = 60;

function firstStatus(layers: readonly JsonObject[]): number | null {
  for (const layer of layers) {
    for (const name of ["code", "status", "statuscode", "httpstatus", "errorcode"]) {
      const status = Number(layer[name]);
      if (typeof layer[name] !== "boolean" && Number.isInteger(status) && status >= 400 && status < 600)
        return status;
    }
  }
  return null;
}

/** In seconds, with a unit, or a time; `estimated_time` is how long Hugging Face loads a model. */
const DELAYS = [
  ...["retrydelay", "retryafter", "retryafterseconds", "quotaresetdelay", "resetsinseconds", "resetsat"],
  ...["estimatedtime", "xratelimitreset"],
];

function retryDelayIn(layers: readonly JsonObject[]): string | null {
  for (const layer of layers) {
    if (typeof layer.retryafterms === "number") return `${layer.retryafterms}ms`;
    for (const name of DELAYS) {
      const delay = layer[name];
      if (typeof delay === "number" || typeof delay === "string") return String(delay);
    }
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
