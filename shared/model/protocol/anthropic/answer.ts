import { exactObjectOf, isObject, type JsonObject, objectOf, textOf } from "../json.ts";
import type { Answer, Asked } from "../protocol.ts";

/**
 * An answer of `/v1/messages` in OpenAI's words. What is neither a message nor a refusal stays as it came, and is
 * judged as any lab's.
 */
export function inChatWords(answer: Answer, { nowMs }: Pick<Asked, "nowMs">): Answer {
  const headers = { get: (name: string) => headerOf(answer.headers, name) };
  const message = exactObjectOf(answer.body);
  if (message?.type === "message")
    return { ...answer, headers, body: JSON.stringify(completionOf(message, nowMs)) };
  const refusal = message ?? objectOf(answer.body);
  if (refusal?.type === "error" && isObject(refusal.error))
    return { ...answer, headers, body: JSON.stringify({ error: errorOf(refusal.error) }) };
  return { ...answer, headers };
}

/** `{error: {type, message}}` in OpenAI's form. */
export function errorOf({ type, message, ...more }: JsonObject): JsonObject {
  return { message: message ?? "", type: type ?? null, param: null, code: null, ...more };
}

const KINDS = "requests|tokens";
const RATE_LIMIT = new RegExp(`^x-ratelimit-(limit|remaining|reset)-(${KINDS})$`);

/** Anthropic names its quota the other way round; Foundry may leave it out, or name it as it does others'. */
function headerOf(headers: Answer["headers"], name: string): string | null {
  const [, what, kind] = RATE_LIMIT.exec(name) ?? [];
  return (
    (kind === undefined ? null : headers.get(`anthropic-ratelimit-${kind}-${what}`)) ?? headers.get(name)
  );
}

/** Of a stop that is not here: the model has said what it wanted to. */
const FINISH: ReadonlyMap<unknown, string> = new Map(
  Object.entries({
    max_tokens: "length",
    model_context_window_exceeded: "length",
    tool_use: "tool_calls",
    refusal: "content_filter",
  }),
);

export function finishReasonOf(stop: unknown): string {
  return FINISH.get(stop) ?? "stop";
}

/** A message as a chat completion. */
export function completionOf(message: JsonObject, nowMs: number): JsonObject {
  const { id, model, content, stop_reason, stop_details, usage } = message;
  const blocks = (Array.isArray(content) ? content : []).filter(isObject);
  return {
    id,
    object: "chat.completion",
    created: Math.floor(nowMs / 1000),
    model,
    choices: [
      {
        index: 0,
        message: { role: "assistant", ...saidIn(blocks), refusal: refusalIn(stop_reason, stop_details) },
        logprobs: null,
        finish_reason: finishReasonOf(stop_reason),
      },
    ],
    ...(isObject(usage) ? { usage: usageOf(usage) } : {}),
  };
}

/** Why the model would not, where it says; its answer is then the filter's doing. */
export function refusalIn(stop: unknown, details: unknown): string | null {
  const why = stop === "refusal" && isObject(details) ? details.explanation : undefined;
  return typeof why === "string" && why !== "" ? why : null;
}

function saidIn(blocks: readonly JsonObject[]): JsonObject {
  const text = blocks.flatMap((block) => (block.type === "text" ? [textOf(block.text)] : []));
  const thoughts = blocks.filter(isThought);
  const thought = thoughts
    .flatMap(({ thinking }) => (typeof thinking === "string" ? [thinking] : []))
    .join("");
  const calls = blocks.filter(({ type }) => type === "tool_use");
  return {
    content: text.length === 0 ? null : text.join(""),
    ...(thought === "" ? {} : { reasoning_content: thought }),
    // With its signatures: the model wants them back with the results of the calls that it thought out.
    ...(thoughts.length === 0 ? {} : { thinking_blocks: thoughts }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(callOf) }),
  };
}

export function isThought({ type }: JsonObject): boolean {
  return type === "thinking" || type === "redacted_thinking";
}

/** @param call its input is an object, or the text of one where it came in a stream */
function callOf({ id, name, input }: JsonObject): JsonObject {
  const said = typeof input === "string" ? input : JSON.stringify(input ?? {});
  return { id, type: "function", function: { name, arguments: said } };
}

const countOf = (value: unknown) => (typeof value === "number" && value > 0 ? value : 0);

/** Its counts by OpenAI's names, where the prompt holds what the cache gave and took; its own stay beside them. */
export function usageOf(told: JsonObject): JsonObject {
  const cached = countOf(told.cache_read_input_tokens);
  const written = countOf(told.cache_creation_input_tokens);
  const details = isObject(told.output_tokens_details) ? told.output_tokens_details : {};
  const thinking = details.thinking_tokens ?? details.reasoning_tokens;
  const prompt = typeof told.input_tokens === "number" ? told.input_tokens + cached + written : undefined;
  const completion = typeof told.output_tokens === "number" ? told.output_tokens : undefined;
  const isWhole = prompt !== undefined && completion !== undefined;
  return {
    ...(prompt === undefined ? {} : { prompt_tokens: prompt }),
    ...(completion === undefined ? {} : { completion_tokens: completion }),
    ...(isWhole ? { total_tokens: prompt + completion } : {}),
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    ...(typeof thinking === "number" ? { completion_tokens_details: { reasoning_tokens: thinking } } : {}),
    ...told,
  };
}
