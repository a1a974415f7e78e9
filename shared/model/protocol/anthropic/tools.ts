import { isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay, refuseOthers } from "../protocol.ts";

/**
 * The tools of a request, and which of them may or must be called.
 * @param messages those that were made of it: where they hold calls, there must be tools
 * @throws CannotSay
 */
export function toolsOf(
  { tools, tool_choice, parallel_tool_calls }: JsonObject,
  messages: readonly JsonObject[],
  isThinking: boolean,
): JsonObject {
  const list: unknown[] = Array.isArray(tools) ? tools : [];
  if (list.length === 0) {
    if (messages.some(hasCalls))
      throw new CannotSay("tools", "no calls of tools that the request does not define");
    const isPlain = tool_choice === undefined || tool_choice === null || tool_choice === "none";
    if (!isPlain && tool_choice !== "auto")
      throw new CannotSay("tool_choice", "no tool_choice without tools");
    return {};
  }
  const choice = choiceOf(tool_choice, isThinking);
  const isSingle = parallel_tool_calls === false && choice?.type !== "none";
  const said = isSingle ? { type: "auto", ...choice, disable_parallel_tool_use: true } : choice;
  return { tools: list.map(toolOf), ...(said === undefined ? {} : { tool_choice: said }) };
}

function hasCalls({ content }: JsonObject): boolean {
  const blocks: unknown[] = Array.isArray(content) ? content : [];
  return blocks.some((block) => isObject(block) && /^tool_(use|result)$/.test(wordOf(block.type)));
}

function toolOf(tool: unknown, index: number): JsonObject {
  const param = `tools[${index}]`;
  const { type, function: of, cache_control } = isObject(tool) ? tool : {};
  if (type !== "function" || !isObject(of)) throw new CannotSay(param, `no tools of type ${wordOf(type)}`);
  refuseOthers(tool as JsonObject, ["type", "function", "cache_control"], param);
  refuseOthers(of, ["name", "description", "parameters", "strict"], `${param}.function`);
  const { name, description, parameters, strict } = of;
  return {
    name,
    ...(typeof description === "string" ? { description } : {}),
    input_schema: isObject(parameters)
      ? { type: "object", ...parameters }
      : { type: "object", properties: {} },
    ...(strict === true ? { strict } : {}),
    ...(isObject(cache_control) ? { cache_control } : {}),
  };
}

function choiceOf(choice: unknown, isThinking: boolean): JsonObject | undefined {
  if (choice === undefined || choice === null) return undefined;
  if (choice === "auto" || choice === "none") return { type: choice };
  const { type, function: of } = isObject(choice) ? choice : {};
  if (isObject(choice)) refuseOthers(choice, ["type", "function"], "tool_choice");
  if (isObject(of)) refuseOthers(of, ["name"], "tool_choice.function");
  const isNamed = type === "function" && isObject(of) && typeof of.name === "string";
  if (choice !== "required" && !isNamed) throw new CannotSay("tool_choice");
  if (isThinking) throw new CannotSay("tool_choice", "no tool that must be called with reasoning");
  return isNamed ? { type: "tool", name: of.name } : { type: "any" };
}
