import type { Endpoint } from "../../endpoint.ts";
import { at, field, filledArray, filledText, isObject, type JsonObject, textOf } from "../json.ts";
import { type Refusal, refusalIn } from "./refusal.ts";
import { usageOf } from "./usage.ts";

/** What an answer that was let through holds of what its endpoint promises. */
export type Held =
  | {
      readonly kind: "answer";
      /** Why it is not whole, in the lab's word; absent: it is. */
      readonly incomplete?: string;
      /** It has text or the like, so that its output cannot have been of no tokens. */
      readonly hasText: boolean;
    }
  /** The lab will have it later, at this path below `base_url`. */
  | { readonly kind: "pending"; readonly path: string }
  /** It says that it failed. */
  | { readonly kind: "failure"; readonly refusal: Refusal; readonly why: string }
  | { readonly kind: "nothing"; readonly why: string };

export function heldIn(json: JsonObject, endpoint: Endpoint): Held {
  switch (endpoint) {
    case "/v1/chat/completions":
      return chat(json);
    case "/v1/responses":
      return response(json);
    case "/v1/embeddings":
      return embeddings(json);
  }
}

function nothing(json: JsonObject, why: string): Held {
  const refusal = refusalIn(json);
  return saysFailure(json, refusal) ? { kind: "failure", refusal, why } : { kind: "nothing", why };
}

/** Whether an object without an answer is a lab's or a relay's envelope of a failure. */
function saysFailure(json: JsonObject, { words, status }: Refusal): boolean {
  if ((words !== "" && !/^(success|ok)\b/i.test(words)) || status !== null || json.success === false)
    return true;
  return [json.object, json.type, json.status].some((each) => each === "error" || each === "failed");
}

/** An error beside an answer, or half of one; undefined: there is none, or an empty one. */
function errorIn({ error }: JsonObject): Held | undefined {
  const refusal = refusalIn({ error });
  if (refusal.words === "" && refusal.codes.length === 0) return undefined;
  return { kind: "failure", refusal, why: "the answer says that it failed" };
}

/** An answer that ends so may be empty: it has used up its room, or was filtered. */
const CUT =
  /^(length|max(_output)?_tokens|model_length|content_filter|sensitive|safety|prohibited_content)$/i;
/** … or so where it broke off: whatever it holds is half an answer. */
const BROKEN = /^(\w+_)?error$|^(insufficient_system_resource|abort(ed)?|cancell?ed|failed)$/i;

function chat(json: JsonObject): Held {
  const choices = (filledArray(json.choices) ?? []).filter(isObject);
  const ticket = json.request_id;
  if (choices.length === 0)
    return isId(ticket) && json.choices === undefined && !saysFailure(json, refusalIn(json))
      ? { kind: "pending", path: `/chat/deferred-completion/${ticket}` } // xAI's `deferred: true`
      : nothing(json, "the answer holds no choices");
  const failure = errorIn(json);
  const broken = choices.find(
    (choice) => BROKEN.test(textOf(choice.finish_reason)) || errorIn(choice) !== undefined,
  );
  const good = choices.filter((choice) => choice !== broken && isObject(choice.message));
  const filled = good.some(({ message }) => hasContent(message as JsonObject));
  const cut = choices.map(({ finish_reason }) => textOf(finish_reason)).find((reason) => CUT.test(reason));
  if (failure === undefined && good.length > 0 && (filled || cut !== undefined || hasCost(json)))
    return { kind: "answer", hasText: filled, ...(cut === undefined ? {} : { incomplete: cut }) };
  if (broken === undefined) return failure ?? nothing(json, "the answer holds an empty message");
  const told = errorIn(broken) ?? failure;
  return told ?? { kind: "failure", refusal: refusalIn({}), why: "the answer says that it broke off" };
}

/** A model may have nothing to say, but then it has said so in some tokens. */
function hasCost(json: JsonObject): boolean {
  return (usageOf(json, { prompt: false, text: false })?.output_tokens ?? 0) > 0;
}

/** Whatever a message can hold besides its text. */
const CONTENT = [
  "content",
  "tool_calls",
  "function_call",
  "refusal",
  "audio",
  "images",
  "reasoning_content",
  "reasoning",
];

function hasContent(message: JsonObject): boolean {
  return CONTENT.map((name) => message[name]).some(
    (each) =>
      filledText(each) !== undefined || isObject(each) || (Array.isArray(each) && each.some(isFilledPart)),
  );
}

/** A part that has a text must have some. */
function isFilledPart(part: unknown): boolean {
  const text = field(part, "text");
  return typeof text !== "string" || filledText(text) !== undefined;
}

function response(json: JsonObject): Held {
  const { status, id } = json;
  if (status === "failed")
    return { kind: "failure", refusal: refusalIn({ error: json.error }), why: "the response failed" };
  if (status === "queued" || status === "in_progress")
    return isId(id)
      ? { kind: "pending", path: `/responses/${id}` }
      : nothing(json, `the response is ${status}, and has no id to be fetched by`);
  if (status === "cancelled") return nothing(json, "the response was cancelled");
  const failure = errorIn(json);
  if (failure !== undefined) return failure;
  const isIncomplete = status === "incomplete";
  const items = filledArray(json.output);
  if (items === undefined && !isIncomplete) return nothing(json, "the answer holds no output items");
  if (!isIncomplete && !items?.some(isFilledItem) && !hasCost(json))
    return nothing(json, "the answer holds empty messages");
  const reason = filledText(at(json, "incomplete_details", "reason")) ?? "incomplete";
  return { kind: "answer", hasText: !isIncomplete, ...(isIncomplete ? { incomplete: reason } : {}) };
}

function isFilledItem(item: unknown): boolean {
  const content = field(item, "content");
  return field(item, "type") !== "message" || !Array.isArray(content) || content.some(isFilledPart);
}

function embeddings(json: JsonObject): Held {
  const data = filledArray(json.data);
  const isWhole = data?.every((each) => {
    const embedding = field(each, "embedding");
    return (filledArray(embedding)?.[0] ?? filledText(embedding) ?? null) !== null;
  });
  return isWhole && errorIn(json) === undefined
    ? { kind: "answer", hasText: false }
    : nothing(json, "the answer holds no embeddings");
}

/** Safe in a path as it is. */
function isId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-][\w.-]{0,199}$/.test(value);
}
