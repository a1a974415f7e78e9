import { unsealed } from "../encrypted.ts";
import { isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay, refuseOthers } from "../protocol.ts";

type Message = Record<string, unknown>;

/**
 * The input of a response as messages of a chat completion.
 * @param deployment the one that is asked: thoughts of another's it cannot read
 * @throws CannotSay
 */
export function messagesOf(input: unknown, deployment: string | undefined): readonly JsonObject[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (!Array.isArray(input)) throw new CannotSay("input");
  const messages: Message[] = [];
  /** They go with what the model says next; where it said nothing, they have led to nothing. */
  let thoughts: unknown[] = [];
  const withThoughts = (message: Message) => {
    messages.push(thoughts.length === 0 ? message : { ...message, thinking_blocks: thoughts });
    thoughts = [];
  };
  for (const [index, item] of (input as unknown[]).entries()) {
    const param = `input[${index}]`;
    if (!isObject(item)) throw new CannotSay(param);
    switch (item.type ?? "message") {
      case "message": {
        const message = messageOf(item, param);
        if (message.role !== "assistant") thoughts = [];
        withThoughts(message);
        break;
      }
      case "function_call": {
        // Calls that stand together, and what the model says before them, are one message.
        const call = callOf(item, param);
        const last = messages.at(-1);
        if (last?.role === "assistant" && thoughts.length === 0)
          last.tool_calls = [...((last.tool_calls as unknown[] | undefined) ?? []), call];
        else withThoughts({ role: "assistant", content: null, tool_calls: [call] });
        break;
      }
      case "function_call_output":
        refuseOthers(item, [...NOTES, "call_id", "output"], param);
        thoughts = [];
        messages.push({ role: "tool", tool_call_id: item.call_id, content: resultOf(item.output, param) });
        break;
      case "reasoning":
        thoughts = [...thoughts, ...thoughtsIn(item, param, deployment)];
        break;
      default:
        throw new CannotSay(param, `no item of type ${wordOf(item.type)}`);
    }
  }
  return messages;
}

/** What a lab or an SDK has noted of an item or a part that it gave; no lab is asked for anything by it. */
const NOTES = ["type", "id", "status", "phase", "annotations", "logprobs", "parsed", "parsed_arguments"];

function callOf(item: JsonObject, param: string): JsonObject {
  refuseOthers(item, [...NOTES, "call_id", "name", "arguments"], param);
  const { call_id, name, arguments: said } = item;
  return { id: call_id, type: "function", function: { name, arguments: said } };
}

function messageOf(item: JsonObject, param: string): Message {
  refuseOthers(item, [...NOTES, "role", "content"], param);
  const { role, content } = item;
  if (typeof content === "string") return { role, content };
  if (!Array.isArray(content)) throw new CannotSay(`${param}.content`);
  return { role, content: content.map((part: unknown, at) => partOf(part, `${param}.content[${at}]`)) };
}

function partOf(part: unknown, param: string): JsonObject {
  const of = isObject(part) ? part : {};
  const only = (...names: string[]) => refuseOthers(of, [...NOTES, ...names], param);
  switch (of.type) {
    case "input_text":
    case "output_text":
    case "text":
      only("text");
      return { type: "text", text: of.text };
    case "refusal":
      only("refusal");
      return { type: "refusal", refusal: of.refusal };
    case "input_image": {
      if (typeof of.image_url !== "string") throw new CannotSay(param, "no pictures by their id");
      only("image_url", "detail");
      const detail = of.detail === undefined || of.detail === null ? {} : { detail: of.detail };
      return { type: "image_url", image_url: { url: of.image_url, ...detail } };
    }
    case "input_file":
      if (typeof of.file_data !== "string") throw new CannotSay(param, "no files by their id or address");
      only("file_data", "filename");
      return { type: "file", file: { file_data: of.file_data, filename: of.filename } };
    default:
      throw new CannotSay(param, `no ${wordOf(of.type)} there`);
  }
}

function resultOf(output: unknown, param: string): unknown {
  if (typeof output === "string") return output;
  const parts: unknown[] = Array.isArray(output) ? output : [output];
  return parts.map((part, at) => {
    if (!isObject(part) || (part.type !== "input_text" && part.type !== "text"))
      throw new CannotSay(`${param}.output[${at}]`, "no results but texts");
    refuseOthers(part, [...NOTES, "text"], `${param}.output[${at}]`);
    return { type: "text", text: part.text };
  });
}

/** Thoughts that were given with no seal are for people; a model that wants them back seals them. */
function thoughtsIn(
  { encrypted_content }: JsonObject,
  param: string,
  deployment: string | undefined,
): readonly unknown[] {
  if (typeof encrypted_content !== "string") return [];
  const sealed = unsealed(encrypted_content);
  if (sealed === undefined || sealed.deployment !== deployment)
    throw new CannotSay(
      `${param}.encrypted_content`,
      `no thoughts of ${sealed?.deployment ?? "another lab"}`,
    );
  return blocksIn(sealed.content);
}

function blocksIn(content: string): readonly unknown[] {
  try {
    const blocks: unknown = JSON.parse(Buffer.from(content, "base64").toString());
    return Array.isArray(blocks) ? blocks : [];
  } catch {
    // Whoever changed it has made no thoughts of it.
    return [];
  }
}
