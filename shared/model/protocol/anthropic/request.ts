import type { Dialect } from "../../dialect.ts";
import { isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay, refuseOthers, type SpokenTo } from "../protocol.ts";
import { conversationOf } from "./conversation.ts";
import { thinkingOf } from "./thinking.ts";
import { toolsOf } from "./tools.ts";

/** Where neither request nor catalogue says: Anthropic wants a number. */
const DEFAULT_MAX_TOKENS = 8_192;

/** Members of a chat completion's request that have a place in a message's; any other is refused by its name. */
const MAPPED: ReadonlySet<string> = new Set([
  ...["model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop"],
  ...["tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "response_format"],
  ...["user", "safety_identifier", "stream", "stream_options", "n", "store", "service_tier", "logprobs"],
  ...["frequency_penalty", "presence_penalty", "modalities"],
]);

/** Those that only their default can be said of, which asks for nothing. */
const DEFAULTS: ReadonlyMap<string, (value: unknown) => boolean> = new Map(
  Object.entries({
    n: (value: unknown) => value === 1,
    store: (value: unknown) => value === false,
    service_tier: (value: unknown) => value === "auto" || value === "default",
    logprobs: (value: unknown) => value === false,
    frequency_penalty: (value: unknown) => value === 0,
    presence_penalty: (value: unknown) => value === 0,
    modalities: (value: unknown) => Array.isArray(value) && value.every((each) => each === "text"),
  }),
);

/**
 * A chat completion's request as one for `/v1/messages`. What it says has a place there, or it is not sent: nothing is
 * dropped but hints that ask for nothing.
 * @throws CannotSay
 */
export function messagesRequest(chat: JsonObject, to: SpokenTo, isStreamed: boolean): JsonObject {
  refuseUnmapped(chat, to.dialect);
  const { system, messages } = conversationOf(chat.messages);
  const maxTokens = chat.max_completion_tokens ?? chat.max_tokens ?? to.max_output_tokens;
  const thinking = thinkingOf(
    chat,
    to.dialect,
    typeof maxTokens === "number" ? maxTokens : DEFAULT_MAX_TOKENS,
  );
  const format = formatOf(chat.response_format);
  const output = { ...thinking.output, ...(format === undefined ? {} : { format }) };
  const userId = chat.safety_identifier ?? chat.user;
  const stops = stopsOf(chat.stop);
  return {
    model: to.model,
    max_tokens: maxTokens ?? DEFAULT_MAX_TOKENS,
    ...(system.length === 0 ? {} : { system }),
    messages,
    ...toolsOf(chat, messages, thinking.isOn),
    ...(stops.length === 0 ? {} : { stop_sequences: stops }),
    ...samplingOf(chat, thinking.isOn),
    ...(thinking.config === undefined ? {} : { thinking: thinking.config }),
    ...(Object.keys(output).length === 0 ? {} : { output_config: output }),
    ...(isSet(userId) ? { metadata: { user_id: userId } } : {}),
    ...(isStreamed && chat.stream === true ? { stream: true } : {}),
  };
}

const isSet = (value: unknown) => value !== undefined && value !== null;

function refuseUnmapped(chat: JsonObject, dialect: Dialect | undefined): void {
  for (const [name, value] of Object.entries(chat)) {
    if (!isSet(value)) continue;
    const isDefault = DEFAULTS.get(name);
    const isSaid = isDefault === undefined || isDefault(value);
    if (!MAPPED.has(name) || !isSaid || dialect?.refuse.includes(name)) throw new CannotSay(name);
  }
  const { user, safety_identifier } = chat;
  if (isSet(user) && isSet(safety_identifier) && user !== safety_identifier)
    throw new CannotSay("user", "no user beside a safety_identifier");
  if (isSet(chat.max_tokens) && isSet(chat.max_completion_tokens))
    throw new CannotSay("max_tokens", "max_tokens and max_completion_tokens are both set");
}

/** @throws CannotSay */
function samplingOf({ temperature, top_p }: JsonObject, isThinking: boolean): JsonObject {
  if (typeof temperature === "number" && temperature > 1)
    throw new CannotSay("temperature", "no temperature above 1");
  if (isThinking && isSet(temperature) && temperature !== 1)
    throw new CannotSay("temperature", "no temperature with reasoning");
  if (isThinking && isSet(top_p) && top_p !== 1) throw new CannotSay("top_p", "no top_p with reasoning");
  return {
    ...(isSet(temperature) && !isThinking ? { temperature } : {}),
    ...(isSet(top_p) && !isThinking ? { top_p } : {}),
  };
}

/** @throws CannotSay for one of white space alone, which Anthropic refuses */
function stopsOf(stop: unknown): readonly string[] {
  if (!isSet(stop)) return [];
  const stops: unknown[] = Array.isArray(stop) ? stop : [stop];
  return stops.map((each) => {
    if (typeof each !== "string" || each.trim() === "")
      throw new CannotSay("stop", "no stop of white space alone");
    return each;
  });
}

/** @throws CannotSay */
function formatOf(format: unknown): JsonObject | undefined {
  if (!isObject(format)) {
    if (isSet(format)) throw new CannotSay("response_format");
    return undefined;
  }
  const of = isObject(format.json_schema) ? format.json_schema : {};
  refuseOthers(
    format,
    ["type", ...(format.type === "json_schema" ? ["json_schema"] : [])],
    "response_format",
  );
  if (format.type === "text") return undefined;
  const { schema, description } = of;
  if (format.type !== "json_schema" || !isObject(schema))
    throw new CannotSay("response_format", `no response_format of type ${wordOf(format.type)}`);
  if (!isClosed(schema))
    throw new CannotSay("response_format", "no schema whose objects may have other properties");
  refuseOthers(of, ["name", "schema", "strict", "description"], "response_format.json_schema");
  if (!isSet(description)) return { type: "json_schema", schema };
  if (isSet(schema.description))
    throw new CannotSay("response_format", "no description of a schema beside the schema's own");
  return { type: "json_schema", schema: { ...schema, description } };
}

/** Anthropic takes only schemas in which every object says `additionalProperties: false`. */
function isClosed(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(isClosed);
  if (!isObject(schema)) return true;
  const isOpen = isObjects(schema) && schema.additionalProperties !== false;
  return !isOpen && Object.values(schema).every(isClosed);
}

const isObjects = ({ type }: JsonObject) =>
  type === "object" || (Array.isArray(type) && type.includes("object"));
