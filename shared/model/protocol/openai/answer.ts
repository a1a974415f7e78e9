import type { Endpoint } from "../../endpoint.ts";
import { at, field, filledArray, filledText, isObject, type JsonObject } from "../json.ts";
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
  return saysFailure(json) ? { kind: "failure", refusal: refusalIn(json), why } : { kind: "nothing", why };
}

/** Whether an object without an answer is a lab's or a relay's envelope of a failure. */
function saysFailure(json: JsonObject): boolean {
  const { error, base_resp } = json;
  if (filledText(error) !== undefined || (isObject(error) && Object.keys(error).length > 0)) return true;
  if (json.success === false || json.object === "error" || json.type === "error") return true;
  const code = field(base_resp, "status_code");
  if (typeof code === "number" && code !== 0) return true;
  return [json.errors, json.detail, json.message, json.msg, json.error_msg].some(
    (each) => filledText(each) !== undefined || filledArray(each) !== undefined,
  );
}

/** An answer that ends so may be empty: it has used up its room, or was filtered. */
const CUT: ReadonlySet<unknown> = new Set(["length", "max_tokens", "model_length", "content_filter"]);

function chat(json: JsonObject): Held {
  const choices = (filledArray(json.choices) ?? []).filter(isObject);
  const ticket = json.request_id;
  if (choices.length === 0)
    return isId(ticket) && json.choices === undefined && !saysFailure(json)
      ? { kind: "pending", path: `/chat/deferred-completion/${ticket}` } // xAI's `deferred: true`
      : nothing(json, "the answer holds no choices");
  const broken = choices.find((choice) => choice.finish_reason === "error" || isObject(choice.error));
  const good = choices.filter((choice) => choice !== broken && isObject(choice.message));
  const filled = good.some(({ message }) => hasContent(message as JsonObject));
  const cut = choices.map(({ finish_reason }) => finish_reason).find((reason) => CUT.has(reason));
  const said = usageOf(json, { prompt: false, text: false })?.output_tokens ?? 0;
  // A model may have nothing to say, but then it has said so in some tokens.
  if (good.length > 0 && (filled || cut !== undefined || said > 0))
    return { kind: "answer", hasText: filled, ...(cut === undefined ? {} : { incomplete: String(cut) }) };
  if (broken === undefined) return nothing(json, "the answer holds an empty message");
  const error = broken.error ?? json.error;
  return {
    kind: "failure",
    refusal: refusalIn(error === undefined ? {} : { error }),
    why: "the answer says that it broke off",
  };
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
    (each) => (typeof each === "string" && each !== "") || filledArray(each) !== undefined || isObject(each),
  );
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
  const isIncomplete = status === "incomplete";
  if (filledArray(json.output) === undefined && !isIncomplete)
    return nothing(json, "the answer holds no output items");
  const reason = filledText(at(json, "incomplete_details", "reason")) ?? "incomplete";
  return { kind: "answer", hasText: !isIncomplete, ...(isIncomplete ? { incomplete: reason } : {}) };
}

function embeddings(json: JsonObject): Held {
  const data = filledArray(json.data);
  const isWhole = data?.every((each) => {
    const embedding = field(each, "embedding");
    return filledArray(embedding) !== undefined || filledText(embedding) !== undefined;
  });
  return isWhole ? { kind: "answer", hasText: false } : nothing(json, "the answer holds no embeddings");
}

/** Safe in a path as it is. */
function isId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-][\w.-]{0,199}$/.test(value);
}
