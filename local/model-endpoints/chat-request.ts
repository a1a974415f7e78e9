import { invalid, missing, unsupported } from "./api-error.ts";
import {
  type Ask,
  checkedToolChoice,
  checkedTools,
  checkJsonWord,
  checkSampling,
  EFFORTS,
  formatOf,
  type Tool,
  type ToolChoice,
} from "./ask.ts";
import { withoutMarkers } from "./directives.ts";
import { isObject, type Json, numberOf, oneOf, present, stringOf, wrongType } from "./fields.ts";
import type { ModelProfile } from "./profiles.ts";
import { TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, TOKENS_PER_REPLY, tokensOf } from "./tokens.ts";

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"] as const;
const MAX_CHOICES = 128;
const MAX_STOPS = 4;

/** @throws ApiError 400 */
export function readChatRequest(body: Json, model: ModelProfile): Ask {
  const messages = readMessages(body, model);
  checkSampling(body, model);
  const format = formatOf(body.response_format, "response_format", model);
  checkJsonWord(format, `${messages.instructions} ${messages.userText}`, "messages", "response_format");
  const tools = readTools(body, model);
  const inputTokens = messages.inputTokens + toolTokens(body);
  return {
    instructions: messages.instructions,
    prompt: withoutMarkers(messages.prompt),
    toolResult: messages.toolResult,
    inputTokens: withinContext(inputTokens, model),
    maxOutputTokens: readMaxTokens(body, model),
    choices: numberOf(body, "n", { min: 1, max: MAX_CHOICES, integer: true }) ?? 1,
    stop: readStop(body),
    format,
    tools,
    toolChoice: checkedToolChoice(readToolChoice(body), tools),
    effort: present(body, "reasoning_effort")
      ? oneOf(body.reasoning_effort, "reasoning_effort", EFFORTS)
      : "medium",
    outputFiltered: messages.userText.includes("[[output_filter]]"),
  };
}

interface Messages {
  readonly instructions: string;
  readonly prompt: string;
  readonly userText: string;
  readonly toolResult: string | undefined;
  readonly inputTokens: number;
}

function readMessages(body: Json, model: ModelProfile): Messages {
  if (!present(body, "messages")) throw missing("messages");
  const list = body.messages;
  if (!Array.isArray(list)) throw wrongType("messages", "an array of objects", list);
  if (list.length === 0) {
    throw invalid(
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      "messages",
      "empty_array",
    );
  }
  const instructions: string[] = [];
  const user: string[] = [];
  let toolResult: string | undefined;
  let inputTokens = TOKENS_PER_REPLY;
  list.forEach((message: unknown, index) => {
    const param = `messages[${index}]`;
    if (!isObject(message)) throw wrongType(param, "an object", message);
    const role = oneOf(stringOf(message, "role", `${param}.role`), `${param}.role`, ROLES);
    const { text, images } = readContent(message, param, role, model);
    inputTokens += TOKENS_PER_MESSAGE + tokensOf(text) + images * TOKENS_PER_IMAGE;
    if (role === "system" || role === "developer") instructions.push(text);
    if (role === "user") user.push(text);
    toolResult = role === "tool" || role === "function" ? text : undefined;
  });
  return {
    instructions: instructions.join("\n"),
    prompt: user.at(-1) ?? "",
    userText: user.join("\n"),
    toolResult,
    inputTokens,
  };
}

function readContent(
  message: Json,
  param: string,
  role: string,
  model: ModelProfile,
): { text: string; images: number } {
  const { content } = message;
  if (content === undefined || content === null) {
    if (role === "assistant") return { text: JSON.stringify(message.tool_calls ?? ""), images: 0 };
    throw invalid(`Invalid value for 'content': expected a string, got null.`, `${param}.content`, null);
  }
  if (typeof content === "string") return { text: content, images: 0 };
  if (!Array.isArray(content))
    throw wrongType(`${param}.content`, "one of a string or array of objects", content);
  const texts: string[] = [];
  let images = 0;
  content.forEach((part: unknown, index) => {
    const at = `${param}.content[${index}]`;
    if (!isObject(part)) throw wrongType(at, "an object", part);
    const type = oneOf(stringOf(part, "type", `${at}.type`), `${at}.type`, ["text", "image_url", "refusal"]);
    if (type === "image_url") {
      if (!model.vision) {
        throw invalid("Invalid content type. image_url is only supported by certain models.", at, null);
      }
      images++;
    } else texts.push(stringOf(part, type, `${at}.${type}`));
  });
  return { text: texts.join("\n"), images };
}

function withinContext(inputTokens: number, model: ModelProfile): number {
  if (inputTokens <= model.contextTokens) return inputTokens;
  throw invalid(
    `This model's maximum context length is ${model.contextTokens} tokens. However, your messages resulted in ${inputTokens} tokens. Please reduce the length of the messages.`,
    "messages",
    "context_length_exceeded",
  );
}

function readMaxTokens(body: Json, model: ModelProfile): number | undefined {
  const bounds = { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true };
  const older = numberOf(body, "max_tokens", bounds);
  const newer = numberOf(body, "max_completion_tokens", bounds);
  if (older !== undefined && newer !== undefined) {
    throw invalid(
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      "max_tokens",
      "invalid_parameter_combination",
    );
  }
  const value = older ?? newer;
  if (value !== undefined && value > model.maxOutputTokens) {
    const param = older === undefined ? "max_completion_tokens" : "max_tokens";
    throw invalid(
      `${param} is too large: ${value}. This model supports at most ${model.maxOutputTokens} completion tokens, whereas you provided ${value}.`,
      param,
      "invalid_value",
    );
  }
  return value;
}

function readStop(body: Json): readonly string[] {
  const { stop } = body;
  if (stop === undefined || stop === null) return [];
  const list = Array.isArray(stop) ? stop : [stop];
  if (!list.every((each): each is string => typeof each === "string")) {
    throw wrongType("stop", "one of a string or array of strings", stop);
  }
  if (list.length > MAX_STOPS) {
    throw invalid(
      `Invalid 'stop': array too long. Expected an array with maximum length ${MAX_STOPS}, but got an array with length ${list.length} instead.`,
      "stop",
      "array_above_max_length",
    );
  }
  return list.filter((each) => each !== "");
}

function readTools(body: Json, model: ModelProfile): readonly Tool[] {
  if (present(body, "functions")) throw unsupported("functions");
  if (!present(body, "tools")) return [];
  if (!Array.isArray(body.tools)) throw wrongType("tools", "an array of objects", body.tools);
  const tools = body.tools.map((tool: unknown, index): Tool => {
    const param = `tools[${index}]`;
    if (!isObject(tool)) throw wrongType(param, "an object", tool);
    oneOf(stringOf(tool, "type", `${param}.type`), `${param}.type`, ["function"]);
    if (!isObject(tool.function)) throw missing(`${param}.function`);
    const { parameters } = tool.function;
    return {
      name: stringOf(tool.function, "name", `${param}.function.name`),
      parameters: isObject(parameters) ? parameters : {},
    };
  });
  return checkedTools(tools, "tools", model);
}

function readToolChoice(body: Json): ToolChoice {
  const choice = body.tool_choice;
  if (choice === undefined || choice === null) return "auto";
  if (!isObject(choice)) return oneOf(choice, "tool_choice", ["none", "auto", "required"] as const);
  if (!isObject(choice.function)) throw missing("tool_choice.function");
  return { name: stringOf(choice.function, "name", "tool_choice.function.name") };
}

/** Tools are part of the prompt. */
export function toolTokens(body: Json): number {
  return Array.isArray(body.tools) && body.tools.length > 0 ? tokensOf(JSON.stringify(body.tools)) : 0;
}
