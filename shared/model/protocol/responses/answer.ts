import { sealedFor } from "../encrypted.ts";
import { isObject, type JsonObject } from "../json.ts";

/** What an answer's ids, its time and its seals are made of. */
export interface Maker {
  readonly jobId: string;
  readonly attempt: number;
  readonly nowMs: number;
  readonly deployment: string;
}

/** Of the item at this place of an attempt's answer: the same whenever it is made. */
export function itemId({ jobId, attempt }: Maker, type: ItemType, at: number): string {
  return `${PREFIX[type]}_${jobId.replace(/^job_/, "")}_${attempt}_${at}`;
}

export type ItemType = "reasoning" | "message" | "function_call";
const PREFIX = { reasoning: "rs", message: "msg", function_call: "fc" } as const;

/** Why a response is not whole, by a chat completion's word for it. */
const REASONS: ReadonlyMap<unknown, string> = new Map(
  Object.entries({
    ...{ length: "max_output_tokens", max_tokens: "max_output_tokens", model_length: "max_output_tokens" },
    content_filter: "content_filter",
  }),
);

export function incompleteReason(finish: unknown): string | undefined {
  return REASONS.get(finish);
}

/** A chat completion as a response: what the model thought, what it said, and what it calls. */
export function responseOf(completion: JsonObject, by: Maker): JsonObject {
  const [choice] = Array.isArray(completion.choices) ? completion.choices.filter(isObject) : [];
  const message = isObject(choice?.message) ? choice.message : {};
  const reason = incompleteReason(choice?.finish_reason);
  const status = reason === undefined ? "completed" : "incomplete";
  const logprobs = isObject(choice?.logprobs) ? choice.logprobs.content : undefined;
  return {
    id: by.jobId.replace(/^job_/, "resp_"),
    object: "response",
    created_at: Math.floor(by.nowMs / 1000),
    status,
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    model: completion.model,
    output: itemsOf(message, status, logprobs, by),
    ...(completion.service_tier === undefined ? {} : { service_tier: completion.service_tier }),
    ...(isObject(completion.usage) ? { usage: usageOf(completion.usage) } : {}),
  };
}

function itemsOf(message: JsonObject, status: string, logprobs: unknown, by: Maker): JsonObject[] {
  const { tool_calls, thinking_blocks } = message;
  const thought = textIn(message.reasoning_content) ?? textIn(message.reasoning);
  const blocks: unknown[] = Array.isArray(thinking_blocks) ? thinking_blocks : [];
  const said = partsOf(message, logprobs);
  const calls = Array.isArray(tool_calls) ? tool_calls.filter(isObject) : [];
  const items: ((id: (type: ItemType) => string) => JsonObject)[] = [
    ...(thought === undefined && blocks.length === 0
      ? []
      : [(id: (type: ItemType) => string) => reasoningItem(id("reasoning"), thought ?? "", blocks, by)]),
    ...(said.length === 0 && calls.length > 0
      ? []
      : [(id: (type: ItemType) => string) => messageItem(id("message"), status, said)]),
    ...calls.map((call) => (id: (type: ItemType) => string) => callItem(id("function_call"), status, call)),
  ];
  return items.map((item, at) => item((type) => itemId(by, type, at)));
}

function partsOf(message: JsonObject, logprobs: unknown): JsonObject[] {
  const { content, refusal } = message;
  const texts = Array.isArray(content)
    ? content.filter(isObject).flatMap((part) => (typeof part.text === "string" ? [part.text] : []))
    : typeof content === "string" && content !== ""
      ? [content]
      : [];
  return [
    ...texts.map((text) => textPart(text, logprobs)),
    ...(typeof refusal === "string" && refusal !== "" ? [{ type: "refusal", refusal }] : []),
  ];
}

const textIn = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

export function textPart(text: string, logprobs?: unknown): JsonObject {
  return { type: "output_text", text, annotations: [], logprobs: Array.isArray(logprobs) ? logprobs : [] };
}

export function reasoningItem(id: string, text: string, blocks: readonly unknown[], by: Maker): JsonObject {
  const content = text === "" ? [] : [{ type: "reasoning_text", text }];
  return { id, type: "reasoning", summary: [], content, ...sealOf(blocks, by) };
}

/** What the lab wants back to go on from, as OpenAI's encrypted reasoning is given. */
function sealOf(blocks: readonly unknown[], { deployment }: Maker): JsonObject {
  if (blocks.length === 0) return {};
  const content = Buffer.from(JSON.stringify(blocks)).toString("base64");
  return { encrypted_content: sealedFor(deployment, content) };
}

export function messageItem(id: string, status: string, content: readonly JsonObject[]): JsonObject {
  return { id, type: "message", status, role: "assistant", content };
}

export function callItem(id: string, status: string, call: JsonObject): JsonObject {
  const { name, arguments: said } = isObject(call.function) ? call.function : {};
  return { id, type: "function_call", status, call_id: call.id, name, arguments: said ?? "" };
}

const countOf = (value: unknown) => (typeof value === "number" ? value : 0);

/** Labs that count reasoning beside the output show it in the total. */
function usageOf(usage: JsonObject): JsonObject {
  const input = countOf(usage.prompt_tokens);
  const total = Math.max(countOf(usage.total_tokens), input + countOf(usage.completion_tokens));
  const prompt = isObject(usage.prompt_tokens_details) ? usage.prompt_tokens_details : {};
  const completion = isObject(usage.completion_tokens_details) ? usage.completion_tokens_details : {};
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: countOf(prompt.cached_tokens ?? usage.prompt_cache_hit_tokens),
      cache_write_tokens: countOf(prompt.cache_write_tokens),
    },
    output_tokens: total - input,
    output_tokens_details: { reasoning_tokens: countOf(completion.reasoning_tokens) },
    total_tokens: total,
  };
}
