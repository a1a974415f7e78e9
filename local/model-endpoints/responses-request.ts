import { ApiError, invalid, missing, unsupported } from "./api-error.ts";
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
import { toolTokens } from "./chat-request.ts";
import { withoutMarkers } from "./directives.ts";
import { isObject, type Json, numberOf, oneOf, present, stringOf, wrongType } from "./fields.ts";
import type { ModelProfile } from "./profiles.ts";
import { TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, TOKENS_PER_REPLY, tokensOf } from "./tokens.ts";

/** OpenAI's own least. */
const MIN_OUTPUT_TOKENS = 16;

/** @throws ApiError 400 */
export function readResponsesRequest(body: Json, model: ModelProfile): Ask {
  // Nothing is kept between calls here, so what refers to an earlier one cannot be found.
  if (body.background === true) throw unsupported("background");
  if (present(body, "previous_response_id")) {
    const id = stringOf(body, "previous_response_id");
    throw new ApiError(400, {
      message: `Previous response with id '${id}' not found.`,
      type: "invalid_request_error",
      param: "previous_response_id",
      code: "previous_response_not_found",
    });
  }
  const input = readInput(body, model);
  checkSampling(body, model);
  const text = present(body, "text") ? body.text : {};
  if (!isObject(text)) throw wrongType("text", "an object", text);
  const format = formatOf(text.format, "text.format", model);
  checkJsonWord(format, `${input.instructions} ${input.userText}`, "input", "text.format");
  const tools = readTools(body, model);
  return {
    instructions: input.instructions,
    prompt: withoutMarkers(input.prompt),
    toolResult: input.toolResult,
    inputTokens: withinContext(input.inputTokens + toolTokens(body), model),
    maxOutputTokens: numberOf(body, "max_output_tokens", {
      min: MIN_OUTPUT_TOKENS,
      max: model.maxOutputTokens,
      integer: true,
    }),
    choices: 1,
    stop: [],
    format,
    tools,
    toolChoice: checkedToolChoice(readToolChoice(body), tools),
    effort:
      isObject(body.reasoning) && present(body.reasoning, "effort")
        ? oneOf(body.reasoning.effort, "reasoning.effort", EFFORTS)
        : "medium",
    outputFiltered: input.userText.includes("[[output_filter]]"),
  };
}

interface Input {
  readonly instructions: string;
  readonly prompt: string;
  readonly userText: string;
  readonly toolResult: string | undefined;
  readonly inputTokens: number;
}

function readInput(body: Json, model: ModelProfile): Input {
  if (!present(body, "input")) throw missing("input");
  const instructions = present(body, "instructions") ? [stringOf(body, "instructions")] : [];
  const user: string[] = [];
  let toolResult: string | undefined;
  let inputTokens = TOKENS_PER_REPLY + tokensOf(instructions.join(""));
  const { input } = body;
  if (typeof input === "string") {
    user.push(input);
    inputTokens += TOKENS_PER_MESSAGE + tokensOf(input);
  } else {
    if (!Array.isArray(input)) throw wrongType("input", "one of a string or array of input items", input);
    input.forEach((item: unknown, index) => {
      const { role, text, images } = readItem(item, `input[${index}]`, model);
      inputTokens += TOKENS_PER_MESSAGE + tokensOf(text) + images * TOKENS_PER_IMAGE;
      if (role === "system" || role === "developer") instructions.push(text);
      if (role === "user") user.push(text);
      toolResult = role === "tool" ? text : undefined;
    });
  }
  return {
    instructions: instructions.join("\n"),
    prompt: user.at(-1) ?? "",
    userText: user.join("\n"),
    toolResult,
    inputTokens,
  };
}

interface Item {
  readonly role: string;
  readonly text: string;
  readonly images: number;
}

function readItem(item: unknown, param: string, model: ModelProfile): Item {
  if (!isObject(item)) throw wrongType(param, "an object", item);
  const type = item.type ?? "message";
  if (type === "function_call_output") {
    const { output } = item;
    return {
      role: "tool",
      text: typeof output === "string" ? output : JSON.stringify(output ?? ""),
      images: 0,
    };
  }
  // Earlier calls and reasoning of the model itself come back as they were: they only cost tokens.
  if (type !== "message") return { role: "assistant", text: JSON.stringify(item), images: 0 };
  const role = oneOf(stringOf(item, "role", `${param}.role`), `${param}.role`, [
    "system",
    "developer",
    "user",
    "assistant",
  ]);
  const { content } = item;
  if (typeof content === "string") return { role, text: content, images: 0 };
  if (!Array.isArray(content))
    throw wrongType(`${param}.content`, "one of a string or array of objects", content);
  const texts: string[] = [];
  let images = 0;
  content.forEach((part: unknown, index) => {
    const at = `${param}.content[${index}]`;
    if (!isObject(part)) throw wrongType(at, "an object", part);
    const kind = oneOf(stringOf(part, "type", `${at}.type`), `${at}.type`, [
      "input_text",
      "output_text",
      "input_image",
      "refusal",
    ]);
    if (kind === "input_image") {
      if (!model.vision) throw invalid("Invalid content type: this model takes no images.", at, null);
      images++;
    } else texts.push(stringOf(part, kind === "refusal" ? "refusal" : "text", `${at}.text`));
  });
  return { role, text: texts.join("\n"), images };
}

function withinContext(inputTokens: number, model: ModelProfile): number {
  if (inputTokens <= model.contextTokens) return inputTokens;
  throw invalid(
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "input",
    "context_length_exceeded",
  );
}

function readTools(body: Json, model: ModelProfile): readonly Tool[] {
  if (!present(body, "tools")) return [];
  if (!Array.isArray(body.tools)) throw wrongType("tools", "an array of objects", body.tools);
  const tools = body.tools.map((tool: unknown, index): Tool => {
    const param = `tools[${index}]`;
    if (!isObject(tool)) throw wrongType(param, "an object", tool);
    // Hosted tools (web search, files, code) are not played.
    oneOf(stringOf(tool, "type", `${param}.type`), `${param}.type`, ["function"]);
    return {
      name: stringOf(tool, "name", `${param}.name`),
      parameters: isObject(tool.parameters) ? tool.parameters : {},
    };
  });
  return checkedTools(tools, "tools", model);
}

function readToolChoice(body: Json): ToolChoice {
  const choice = body.tool_choice;
  if (choice === undefined || choice === null) return "auto";
  if (!isObject(choice)) return oneOf(choice, "tool_choice", ["none", "auto", "required"] as const);
  return { name: stringOf(choice, "name", "tool_choice.name") };
}
