import { exactObjectOf, isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay, refuseOthers } from "../protocol.ts";
import { blocksOf } from "./blocks.ts";

export interface Conversation {
  /** Blocks of text. */
  readonly system: readonly JsonObject[];
  /** The user's and the model's in turn, the user's first and last. */
  readonly messages: readonly JsonObject[];
}

interface Turn {
  readonly role: "user" | "assistant";
  readonly content: JsonObject[];
}

/**
 * The messages of a chat completion as Anthropic has them: the system's apart, results of tools as the user's, and of
 * one role never two in a row.
 * @throws CannotSay
 */
export function conversationOf(list: unknown): Conversation {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  const messages: unknown[] = Array.isArray(list) ? list : [];
  messages.forEach((message, index) => {
    const param = `messages[${index}]`;
    if (!isObject(message)) throw new CannotSay(param);
    if (message.name !== undefined && message.name !== null && message.role !== "tool")
      throw new CannotSay(`${param}.name`);
    const { role } = message;
    refuseOthers(message, MEMBERS, param);
    if (role === "system" || role === "developer") {
      if (turns.length > 0) throw new CannotSay(param, `no ${role} message within the conversation`);
      system.push(...blocksOf(message.content, `${param}.content`, ["text"]));
      return;
    }
    const turn = turnOf(message, param);
    const last = turns.at(-1);
    if (last?.role === turn.role) last.content.push(...turn.content);
    else if (turn.content.length > 0) turns.push(turn);
  });
  if (turns[0]?.role !== "user")
    throw new CannotSay("messages", "no conversation that the user does not begin");
  if (turns.at(-1)?.role !== "user")
    throw new CannotSay("messages", "no conversation that ends with the model's own words");
  return { system, messages: turns.map(({ role, content }) => ({ role, content: resultsFirst(content) })) };
}

/** Of any message. What a lab has noted of its answer, and shown of its thoughts, asks for nothing when it comes back. */
const MEMBERS = [
  ...["role", "content", "name", "tool_call_id", "tool_calls", "refusal", "thinking_blocks"],
  ...["audio", "function_call"],
  ...["annotations", "reasoning", "reasoning_content", "reasoning_details", "parsed"],
];

/** Results must stand before what the user says with them. */
function resultsFirst(content: readonly JsonObject[]): readonly JsonObject[] {
  const isResult = ({ type }: JsonObject) => type === "tool_result";
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
}

function turnOf(message: JsonObject, param: string): Turn {
  const content = `${param}.content`;
  switch (message.role) {
    case "user":
      return { role: "user", content: blocksOf(message.content, content, ["text", "image_url", "file"]) };
    case "tool": {
      const result = blocksOf(message.content, content, ["text", "image_url"]);
      return {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: message.tool_call_id, content: result }],
      };
    }
    case "assistant":
      return { role: "assistant", content: saidBefore(message, param) };
    default:
      throw new CannotSay(`${param}.role`, `no role ${wordOf(message.role)}`);
  }
}

/** What the model said: its thinking, its words, its calls. */
function saidBefore(message: JsonObject, param: string): JsonObject[] {
  const { thinking_blocks, tool_calls, refusal } = message;
  for (const name of ["audio", "function_call"])
    if (message[name] !== undefined && message[name] !== null) throw new CannotSay(`${param}.${name}`);
  const thoughts: unknown[] = Array.isArray(thinking_blocks) ? thinking_blocks : [];
  const calls: unknown[] = Array.isArray(tool_calls) ? tool_calls : [];
  return [
    ...thoughts.filter(isObject),
    ...blocksOf(message.content, `${param}.content`, ["text", "refusal"]),
    ...(typeof refusal === "string" && refusal !== "" ? [{ type: "text", text: refusal }] : []),
    ...calls.map((call, index) => callOf(call, `${param}.tool_calls[${index}]`)),
  ];
}

function callOf(call: unknown, param: string): JsonObject {
  const { id, type = "function", function: of } = isObject(call) ? call : {};
  if (type !== "function" || !isObject(of)) throw new CannotSay(param);
  refuseOthers(call as JsonObject, ["id", "type", "function", "index"], param);
  refuseOthers(of, ["name", "arguments", "parsed_arguments"], `${param}.function`);
  const said = typeof of.arguments === "string" ? of.arguments.trim() : "";
  const input = said === "" ? {} : exactObjectOf(said);
  if (input === undefined)
    throw new CannotSay(`${param}.function.arguments`, "no arguments of a call that are no JSON object");
  return { type: "tool_use", id, name: of.name, input };
}
