import { invalid } from "./api-error.ts";
import type { AnswerFormat, Ask, Effort, Tool, ToolChoice } from "./ask.ts";
import { withoutMarkers } from "./directives.ts";
import { isObject, type Json } from "./fields.ts";
import type { ModelProfile } from "./profiles.ts";
import { TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, TOKENS_PER_REPLY, tokensOf } from "./tokens.ts";

const wrong = (message: string) => invalid(message, null, null);

/** What Anthropic's Messages API takes; any other member is refused, as it refuses it. */
const MEMBERS: ReadonlySet<string> = new Set([
  ...["model", "max_tokens", "messages", "system", "tools", "tool_choice", "stop_sequences", "stream"],
  ...["temperature", "top_p", "top_k", "thinking", "output_config", "metadata", "service_tier"],
]);

/** @throws ApiError 400, in Anthropic's words */
export function readMessagesRequest(body: Json, model: ModelProfile): Ask {
  const odd = Object.keys(body).find((name) => !MEMBERS.has(name));
  if (odd !== undefined) throw wrong(`${odd}: Extra inputs are not permitted`);
  const { temperature, stop_sequences, thinking, output_config, max_tokens } = body;
  if (!Number.isInteger(max_tokens) || Number(max_tokens) < 1) throw wrong("max_tokens: Field required");
  if (Number(max_tokens) > model.maxOutputTokens)
    throw wrong(
      `max_tokens: ${max_tokens} > ${model.maxOutputTokens}, which is the maximum allowed number of output tokens for ${model.name}`,
    );
  if (temperature !== undefined && !(Number(temperature) >= 0 && Number(temperature) <= 1))
    throw wrong("temperature: range: 0..1");
  const thinks = isObject(thinking) && thinking.type !== "disabled";
  if (thinks && temperature !== undefined && temperature !== 1)
    throw wrong("`temperature` may only be set to 1 when thinking is enabled.");
  const tools = readTools(body.tools);
  const choice = readChoice(body.tool_choice, thinks);
  const said = readMessages(body, tools.length > 0);
  const inputTokens = said.inputTokens + (tools.length > 0 ? tokensOf(JSON.stringify(body.tools)) : 0);
  if (inputTokens > model.contextTokens)
    throw wrong(`prompt is too long: ${inputTokens} tokens > ${model.contextTokens} maximum`);
  const { effort, format } = isObject(output_config) ? output_config : {};
  return {
    ...{ instructions: said.system, prompt: withoutMarkers(said.prompt), toolResult: said.toolResult },
    ...{ inputTokens, maxOutputTokens: Number(max_tokens), choices: 1, tools, toolChoice: choice },
    stop: readStops(stop_sequences),
    format: readFormat(format),
    effort: thinks ? ((effort as Effort | undefined) ?? "high") : "none",
    outputFiltered: said.userText.includes("[[output_filter]]"),
  };
}

function readStops(stops: unknown): readonly string[] {
  const list: unknown[] = Array.isArray(stops) ? stops : [];
  if (list.some((each) => typeof each !== "string" || each.trim() === ""))
    throw wrong("stop_sequences: each stop sequence must contain non-whitespace");
  return list as string[];
}

function readFormat(format: unknown): AnswerFormat {
  if (!isObject(format)) return { kind: "text" };
  if (format.type !== "json_schema" || !isObject(format.schema))
    throw wrong("output_config.format.schema: Field required");
  if (format.schema.type === "object" && format.schema.additionalProperties !== false)
    throw wrong(
      "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    );
  return { kind: "json_schema", schema: format.schema };
}

function readTools(tools: unknown): readonly Tool[] {
  const list: unknown[] = Array.isArray(tools) ? tools : [];
  return list.map((tool, index) => {
    if (!isObject(tool) || typeof tool.name !== "string")
      throw wrong(`tools.${index}.custom.name: Field required`);
    if (!isObject(tool.input_schema)) throw wrong(`tools.${index}.custom.input_schema: Field required`);
    return { name: tool.name, parameters: tool.input_schema };
  });
}

function readChoice(choice: unknown, thinks: boolean): ToolChoice {
  const { type = "auto", name } = isObject(choice) ? choice : {};
  if (thinks && (type === "any" || type === "tool"))
    throw wrong("Thinking may not be enabled when tool_choice forces tool use.");
  if (type === "tool") return { name: String(name) };
  return type === "any" ? "required" : type === "none" ? "none" : "auto";
}

interface Said {
  readonly system: string;
  readonly prompt: string;
  readonly userText: string;
  readonly toolResult: string | undefined;
  readonly inputTokens: number;
}

function readMessages({ messages, system }: Json, hasTools: boolean): Said {
  if (!Array.isArray(messages) || messages.length === 0)
    throw wrong("messages: at least one message is required");
  const systemText = textsOf(system, "system").join("\n");
  const user: string[] = [];
  let toolResult: string | undefined;
  let inputTokens = TOKENS_PER_REPLY + tokensOf(systemText);
  let called: readonly unknown[] = [];
  messages.forEach((message: unknown, index) => {
    const at = `messages.${index}`;
    const { role, content } = isObject(message) ? message : {};
    if (role !== "user" && role !== "assistant") throw wrong(`${at}: Input should be 'user' or 'assistant'`);
    if (index === 0 && role !== "user") throw wrong('messages: first message must use the "user" role');
    const blocks = Array.isArray(content) ? content.filter(isObject) : [];
    const has = (type: string) => blocks.filter((block) => block.type === type);
    const results = has("tool_result");
    checkCalls({ at, hasTools, called, results, calls: has("tool_use") });
    called = has("tool_use").map(({ id }) => id);
    const texts = textsOf(content, at);
    toolResult = results.length === 0 ? undefined : textsOf(results.at(-1)?.content, at).join("\n");
    if (role === "user" && texts.length > 0) user.push(texts.join("\n"));
    const other = [...results, ...has("tool_use"), ...has("thinking")];
    inputTokens += TOKENS_PER_MESSAGE + tokensOf(texts.join("\n")) + has("image").length * TOKENS_PER_IMAGE;
    inputTokens += other.length === 0 ? 0 : tokensOf(JSON.stringify(other));
  });
  if (isObject(messages.at(-1)) && messages.at(-1).role !== "user")
    throw wrong(
      "This model does not support assistant message prefill. The conversation must end with a user message.",
    );
  return {
    system: systemText,
    prompt: user.at(-1) ?? "",
    userText: user.join("\n"),
    toolResult,
    inputTokens,
  };
}

interface Calls {
  readonly at: string;
  readonly hasTools: boolean;
  /** Ids of the calls of the message before. */
  readonly called: readonly unknown[];
  readonly calls: readonly Json[];
  readonly results: readonly Json[];
}

/** Each call has its result in the very next message, and no result is of another call. */
function checkCalls({ at, hasTools, called, calls, results }: Calls): void {
  if (!hasTools && calls.length + results.length > 0)
    throw wrong("Requests which include `tool_use` or `tool_result` blocks must define tools.");
  const answered = results.map(({ tool_use_id }) => tool_use_id);
  if (!called.every((id) => answered.includes(id)))
    throw wrong(`${at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after`);
  if (!answered.every((id) => called.includes(id)))
    throw wrong(`${at}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks`);
}

function textsOf(content: unknown, at: string): string[] {
  if (content === undefined) return [];
  const blocks: unknown[] =
    typeof content === "string" ? [{ type: "text", text: content }] : [content].flat();
  return blocks.filter(isObject).flatMap(({ type, text }) => {
    if (type !== "text") return [];
    if (typeof text !== "string" || text === "") throw wrong(`${at}: text content blocks must be non-empty`);
    return [text];
  });
}
