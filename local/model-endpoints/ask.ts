import { invalid, unsupported } from "./api-error.ts";
import { isObject, type Json, numberOf, present, stringOf, wrongType } from "./fields.ts";
import type { ModelProfile } from "./profiles.ts";

/** What a chat or a responses request asks for, in one shape. */
export interface Ask {
  /** Text of the system and developer messages. */
  readonly instructions: string;
  /** The text of the user's last message, without directives. */
  readonly prompt: string;
  /** What a tool answered, when that is the last message. */
  readonly toolResult: string | undefined;
  readonly inputTokens: number;
  readonly maxOutputTokens: number | undefined;
  readonly choices: number;
  readonly stop: readonly string[];
  readonly format: AnswerFormat;
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  readonly effort: Effort;
  /** The marker [[output_filter]] is in the prompt. */
  readonly outputFiltered: boolean;
}

export type AnswerFormat =
  | { readonly kind: "text" }
  | { readonly kind: "json_object" }
  | { readonly kind: "json_schema"; readonly schema: Json };

export interface Tool {
  readonly name: string;
  readonly parameters: Json;
}

export type ToolChoice = "none" | "auto" | "required" | { readonly name: string };

export const EFFORTS = ["none", "minimal", "low", "medium", "high"] as const;
export type Effort = (typeof EFFORTS)[number];

const SAMPLING = ["temperature", "top_p", "presence_penalty", "frequency_penalty"] as const;

/** @throws ApiError 400 for a sampling parameter that is out of bounds, or that this model refuses */
export function checkSampling(body: Json, model: ModelProfile): void {
  const refused = model.refusedParameters.find((param) => present(body, param));
  if (refused !== undefined) {
    const camelCase = refused.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    throw invalid(`Argument not supported on this model: ${camelCase}`, refused, "unsupported_parameter");
  }
  const bounds = {
    temperature: [0, 2],
    top_p: [0, 1],
    presence_penalty: [-2, 2],
    frequency_penalty: [-2, 2],
  };
  for (const param of SAMPLING) {
    const [min = 0, max = 0] = bounds[param];
    numberOf(body, param, { min, max });
  }
}

/** @throws ApiError 400 when the model has none, or one has no name */
export function checkedTools(tools: readonly Tool[], param: string, model: ModelProfile): readonly Tool[] {
  if (tools.length > 0 && !model.tools) throw unsupported(param);
  const bad = tools.find((tool) => !/^[a-zA-Z0-9_-]{1,64}$/.test(tool.name));
  if (bad !== undefined) {
    throw invalid(
      `Invalid '${param}': a function's name must match ^[a-zA-Z0-9_-]+$ and have at most 64 characters.`,
      param,
      "invalid_value",
    );
  }
  return tools;
}

/** @throws ApiError 400 for a tool that is not in the list, or a choice without tools */
export function checkedToolChoice(choice: ToolChoice, tools: readonly Tool[]): ToolChoice {
  if (choice !== "none" && choice !== "auto" && tools.length === 0) {
    throw invalid(
      "'tool_choice' is only allowed when 'tools' are specified.",
      "tool_choice",
      "invalid_value",
    );
  }
  if (typeof choice === "object" && !tools.some((tool) => tool.name === choice.name)) {
    throw invalid(
      `Tool choice '${choice.name}' not found in 'tools' parameter.`,
      "tool_choice",
      "invalid_value",
    );
  }
  return choice;
}

/** A response_format (chat) or text.format (responses): the schema is beside the type or under `json_schema`. */
export function formatOf(value: unknown, param: string, model: ModelProfile): AnswerFormat {
  if (value === undefined || value === null) return { kind: "text" };
  if (!isObject(value)) throw wrongType(param, "an object", value);
  switch (stringOf(value, "type", `${param}.type`)) {
    case "text":
      return { kind: "text" };
    case "json_object":
      return { kind: "json_object" };
    case "json_schema": {
      if (!model.jsonSchema) {
        throw invalid(
          `Invalid parameter: '${param}' of type 'json_schema' is not supported with this model.`,
          param,
          null,
        );
      }
      const inside = param === "response_format" ? value.json_schema : value;
      const path = param === "response_format" ? `${param}.json_schema` : param;
      if (!isObject(inside)) throw wrongType(path, "an object", inside);
      stringOf(inside, "name", `${path}.name`);
      if (inside.schema !== undefined && !isObject(inside.schema)) {
        throw wrongType(`${path}.schema`, "an object", inside.schema);
      }
      return { kind: "json_schema", schema: inside.schema ?? {} };
    }
    default:
      throw invalid(
        `Invalid value: '${String(value.type)}'. Supported values are: 'text', 'json_object', and 'json_schema'.`,
        `${param}.type`,
        "invalid_value",
      );
  }
}

/** OpenAI insists that a prompt that wants a JSON object says so. */
export function checkJsonWord(format: AnswerFormat, text: string, messages: string, param: string): void {
  if (format.kind !== "json_object" || /json/i.test(text)) return;
  throw invalid(
    `'${messages}' must contain the word 'json' in some form, to use '${param}' of type 'json_object'.`,
    messages,
    null,
  );
}
