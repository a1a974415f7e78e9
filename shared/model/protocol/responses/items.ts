import { unsealed } from "../encrypted.ts";
import { isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay } from "../protocol.ts";

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
  /** Goes with what the model says next. */
  let thoughts: JsonObject = {};
  input.forEach((item: unknown, index) => {
    const param = `input[${index}]`;
    if (!isObject(item)) throw new CannotSay(param);
    switch (item.type ?? "message") {
      case "message": {
        const message = messageOf(item, param);
        messages.push(message.role === "assistant" ? { ...message, ...thoughts } : message);
        thoughts = {};
        return;
      }
      case "function_call":
        addCall(messages, item, thoughts);
        thoughts = {};
        return;
      case "function_call_output":
        messages.push({ role: "tool", tool_call_id: item.call_id, content: resultOf(item.output, param) });
        return;
      case "reasoning":
        thoughts = thoughtsIn(item, param, deployment);
        return;
      default:
        throw new CannotSay(param, `no item of type ${wordOf(item.type)}`);
    }
  });
  return messages;
}

/** Calls that stand together, and what the model says before them, are one message. */
function addCall(
  messages: Message[],
  { call_id, name, arguments: said }: JsonObject,
  thoughts: JsonObject,
): void {
  const call = { id: call_id, type: "function", function: { name, arguments: said } };
  const last = messages.at(-1);
  if (last?.role !== "assistant") {
    messages.push({ role: "assistant", content: null, ...thoughts, tool_calls: [call] });
    return;
  }
  Object.assign(last, thoughts, {
    tool_calls: [...((last.tool_calls as unknown[] | undefined) ?? []), call],
  });
}

function messageOf({ role, content }: JsonObject, param: string): Message {
  if (typeof content === "string") return { role, content };
  if (!Array.isArray(content)) throw new CannotSay(`${param}.content`);
  return { role, content: content.map((part: unknown, at) => partOf(part, `${param}.content[${at}]`)) };
}

function partOf(part: unknown, param: string): JsonObject {
  const { type, ...of } = isObject(part) ? part : {};
  switch (type) {
    case "input_text":
    case "output_text":
    case "text":
      return { type: "text", text: of.text };
    case "refusal":
      return { type, refusal: of.refusal };
    case "input_image": {
      if (typeof of.image_url !== "string") throw new CannotSay(param, "no pictures by their id");
      const detail = of.detail === undefined || of.detail === null ? {} : { detail: of.detail };
      return { type: "image_url", image_url: { url: of.image_url, ...detail } };
    }
    case "input_file":
      if (typeof of.file_data !== "string") throw new CannotSay(param, "no files by their id or address");
      return { type: "file", file: { file_data: of.file_data, filename: of.filename } };
    default:
      throw new CannotSay(param, `no ${wordOf(type)} there`);
  }
}

function resultOf(output: unknown, param: string): unknown {
  if (typeof output === "string") return output;
  const parts: unknown[] = Array.isArray(output) ? output : [output];
  return parts.map((part, at) => {
    if (!isObject(part) || (part.type !== "input_text" && part.type !== "text"))
      throw new CannotSay(`${param}.output[${at}]`, "no results but texts");
    return { type: "text", text: part.text };
  });
}

/** Thoughts that were given with no seal are for people; a model that wants them back seals them. */
function thoughtsIn(
  { encrypted_content }: JsonObject,
  param: string,
  deployment: string | undefined,
): JsonObject {
  if (typeof encrypted_content !== "string") return {};
  const sealed = unsealed(encrypted_content);
  if (sealed === undefined || sealed.deployment !== deployment)
    throw new CannotSay(
      `${param}.encrypted_content`,
      `no thoughts of ${sealed?.deployment ?? "another lab"}`,
    );
  return { thinking_blocks: blocksIn(sealed.content) };
}

function blocksIn(content: string): unknown {
  try {
    return JSON.parse(Buffer.from(content, "base64").toString());
  } catch {
    // Whoever changed it has made no thoughts of it.
    return [];
  }
}
