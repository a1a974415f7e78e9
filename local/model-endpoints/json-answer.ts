import { chooseLabel } from "./classify.ts";
import { isObject, type Json } from "./fields.ts";
import { datesIn, namesIn, type Passage } from "./passage.ts";
import type { Random } from "./seeded.ts";
import { bestSentences } from "./summary.ts";

/** Deeper schemas are cut off there: one that refers to itself would never end. */
const MAX_DEPTH = 8;
/** And larger ones there: a few lines of schema can ask for more than any memory holds. */
const MAX_VALUES = 2_000;
const MAX_ITEMS = 100;
const DEFAULT_ITEMS = 3;
const MAX_TEXT_CHARS = 240;
const MAX_PADDED_CHARS = 10_000;
const DEFAULT_KEYS = ["title", "summary", "names", "keywords"];

interface Context {
  readonly passage: Passage;
  readonly random: Random;
  readonly root: Json;
  /** Counted over all of an answer. */
  values: number;
}

/** A value that fits the JSON schema, made from the passage where field names say what they want. */
export function valueForSchema(schema: Json, passage: Passage, random: Random): unknown {
  return valueFor(schema, "", { passage, random, root: schema, values: 0 }, 0);
}

/** An object with the keys a task asks for; lists where the key is a plural. */
export function objectForTask(passage: Passage, random: Random): Json {
  const context: Context = { passage, random, root: {}, values: 0 };
  const keys = keysIn(passage.task);
  const wanted = keys.length > 0 ? keys : DEFAULT_KEYS;
  return Object.fromEntries(
    wanted.map((key) => [key, isPlural(key) ? listFor(key, context) : scalarFor(key, context)]),
  );
}

function valueFor(schema: Json, key: string, context: Context, depth: number): unknown {
  if (++context.values > MAX_VALUES || depth > MAX_DEPTH) return null;
  const resolved = resolve(schema, context.root);
  if ("const" in resolved) return resolved.const;
  if (Array.isArray(resolved.enum) && resolved.enum.length > 0) return choiceOf(resolved.enum, context);
  for (const union of [resolved.anyOf, resolved.oneOf]) {
    const first = Array.isArray(union) ? union.find(isObject) : undefined;
    if (first !== undefined) return valueFor(first, key, context, depth + 1);
  }
  if (Array.isArray(resolved.allOf)) {
    const merged = Object.assign(
      {},
      ...resolved.allOf.filter(isObject).map((each) => resolve(each, context.root)),
    );
    return valueFor(merged, key, context, depth + 1);
  }
  switch (typeOf(resolved)) {
    case "object":
      return objectFor(resolved, context, depth);
    case "array":
      return arrayFor(resolved, key, context, depth);
    case "integer":
      return Math.round(numberFor(resolved, key, context, true));
    case "number":
      return numberFor(resolved, key, context, false);
    case "boolean":
      return context.random() < 0.5;
    case "null":
      return null;
    default:
      return textFor(resolved, key, context);
  }
}

function resolve(schema: Json, root: Json): Json {
  const { $ref: ref } = schema;
  if (typeof ref !== "string" || !ref.startsWith("#")) return schema;
  let at: unknown = root;
  for (const segment of ref.split("/").slice(1)) {
    at = isObject(at) ? at[segment.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
  }
  return isObject(at) ? at : {};
}

function typeOf(schema: Json): string {
  const type = Array.isArray(schema.type) ? schema.type.find((each) => each !== "null") : schema.type;
  if (typeof type === "string") return type;
  if (isObject(schema.properties)) return "object";
  return schema.items === undefined ? "string" : "array";
}

function choiceOf(values: readonly unknown[], { passage, random }: Context): unknown {
  const texts = values.filter((each): each is string => typeof each === "string");
  if (texts.length === values.length) return chooseLabel(texts, passage, random);
  return values[Math.floor(random() * values.length)];
}

function objectFor(schema: Json, context: Context, depth: number): Json {
  const properties = isObject(schema.properties) ? schema.properties : {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [
      name,
      valueFor(isObject(each) ? each : {}, name, context, depth + 1),
    ]),
  );
}

function arrayFor(schema: Json, key: string, context: Context, depth: number): unknown[] {
  const items = isObject(schema.items) ? resolve(schema.items, context.root) : {};
  const min = typeof schema.minItems === "number" ? schema.minItems : 0;
  const max = typeof schema.maxItems === "number" ? schema.maxItems : DEFAULT_ITEMS;
  const simple = typeOf(items) === "string" && items.enum === undefined && items.const === undefined;
  const values: unknown[] = simple ? listFor(key, context).slice(0, max) : [];
  const wanted = Math.max(
    Math.min(min, MAX_ITEMS),
    simple ? values.length : Math.min(max, depth > MAX_DEPTH / 2 ? 1 : 2),
  );
  while (values.length < wanted && context.values <= MAX_VALUES)
    values.push(valueFor(items, key.replace(/s$/, ""), context, depth + 1));
  return values;
}

function numberFor(schema: Json, key: string, { passage, random }: Context, whole: boolean): number {
  const bound = (name: string) => (typeof schema[name] === "number" ? (schema[name] as number) : undefined);
  const step = whole ? 1 : 0.01;
  const exclusiveMin = bound("exclusiveMinimum");
  const exclusiveMax = bound("exclusiveMaximum");
  const min = bound("minimum") ?? (exclusiveMin === undefined ? undefined : exclusiveMin + step);
  const max = bound("maximum") ?? (exclusiveMax === undefined ? undefined : exclusiveMax - step);
  let value: number;
  if (/year/i.test(key)) value = Number(/\b1\d{3}|20\d{2}\b/.exec(passage.text)?.[0] ?? 1850);
  else if (/confidence|score|probability|ratio/i.test(key))
    value = whole ? 7 : 0.6 + Math.round(random() * 38) / 100;
  else if (/words/i.test(key)) value = passage.text.split(" ").length;
  else value = Number(/\b\d{1,6}\b/.exec(passage.text)?.[0] ?? passage.sentences.length);
  return Math.min(Math.max(value, min ?? value), Math.max(max ?? value, min ?? Number.NEGATIVE_INFINITY));
}

const FORMATS: Readonly<Record<string, string>> = {
  date: "1850-01-01",
  "date-time": "1850-01-01T00:00:00Z",
  time: "00:00:00Z",
  email: "nobody@example.com",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-a000-000000000000",
};

function textFor(schema: Json, key: string, context: Context): string {
  const { format } = schema;
  const known = typeof format === "string" && Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  const text = known ?? scalarFor(key, context);
  const max = typeof schema.maxLength === "number" ? schema.maxLength : MAX_TEXT_CHARS;
  const min = typeof schema.minLength === "number" ? schema.minLength : 0;
  return text.slice(0, max).padEnd(Math.min(min, MAX_PADDED_CHARS), ".");
}

function scalarFor(key: string, context: Context): string {
  const { passage, random } = context;
  if (/title|headline|subject/i.test(key)) return capitalised(passage.terms.slice(0, 3).join(" "));
  if (/name|person|people|author|speaker|character|who|place|location|city|country|setting/i.test(key)) {
    return namesIn(passage)[0] ?? "unknown";
  }
  if (/date|year|when|time/i.test(key)) return datesIn(passage.text)[0] ?? "unknown";
  if (/language/i.test(key)) return "English";
  if (/sentiment/i.test(key)) return chooseLabel(["positive", "negative", "neutral"], passage, random);
  if (/mood|tone/i.test(key))
    return chooseLabel(["solemn", "ironic", "melancholy", "joyful"], passage, random);
  if (/topic|theme|keyword|tag|word|subject/i.test(key)) return passage.terms[0] ?? "";
  const [best = passage.text] = bestSentences(passage, 1, random);
  return best.slice(0, MAX_TEXT_CHARS);
}

function listFor(key: string, { passage, random }: Context): string[] {
  if (/name|person|people|author|character|place|location|cit(y|ies)|countr/i.test(key)) {
    return namesIn(passage).slice(0, 5);
  }
  if (/date|year/i.test(key)) return datesIn(passage.text);
  if (/sentence|point|quote|claim|fact|event|step/i.test(key)) {
    return bestSentences(passage, DEFAULT_ITEMS, random);
  }
  return passage.terms.slice(0, DEFAULT_ITEMS);
}

/** The keys a task names: in quotes, or in a list after the word keys, fields or properties. */
function keysIn(task: string): string[] {
  const quoted = [...task.matchAll(/["'`“]([A-Za-z_][A-Za-z0-9_]*)["'`”]/g)].map((found) => found[1] ?? "");
  if (quoted.length > 0) return [...new Set(quoted)];
  const list = /\b(?:keys|fields|properties)\b:?\s*([^.\n]+)/i.exec(task)?.[1] ?? "";
  return list
    .split(/,|\band\b/)
    .map((key) => key.trim().replace(/\s*\(.*$/, ""))
    .filter((key) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key));
}

function isPlural(key: string): boolean {
  return /[^s]s$|people|list$/i.test(key) && !/address|status|synopsis|analysis/i.test(key);
}

function capitalised(text: string): string {
  return text === "" ? "Untitled" : (text[0] ?? "").toUpperCase() + text.slice(1);
}
