import type { Message, MessageBlock } from "./messages-answer.ts";

/** Words of a delta. */
const WORDS = /\s*\S+\s*|\s+/g;

/** One server-sent event, with its type as its name. */
export const eventOf = (event: { readonly type: string; readonly [name: string]: unknown }): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/** A message as Anthropic streams it: its head, each block by its deltas, then how it stopped and what it took. */
export function messageEvents(message: Message): string[] {
  const { content, stop_reason, stop_sequence, usage, ...head } = message;
  const begun = {
    ...head,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  return [
    eventOf({ type: "message_start", message: begun }),
    eventOf({ type: "ping" }),
    ...content.flatMap((block, index) => [
      eventOf({ type: "content_block_start", index, content_block: emptied(block) }),
      ...deltasOf(block).map((delta) => eventOf({ type: "content_block_delta", index, delta })),
      eventOf({ type: "content_block_stop", index }),
    ]),
    eventOf({
      type: "message_delta",
      delta: { stop_reason, stop_sequence },
      usage: { output_tokens: usage.output_tokens },
    }),
    eventOf({ type: "message_stop" }),
  ];
}

function emptied(block: MessageBlock): MessageBlock {
  switch (block.type) {
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "tool_use":
      return { ...block, input: {} };
    default:
      return { ...block, text: "" };
  }
}

function deltasOf(block: MessageBlock): object[] {
  const words = (text: unknown) => String(text).match(WORDS) ?? [];
  switch (block.type) {
    case "thinking":
      return [
        ...words(block.thinking).map((thinking) => ({ type: "thinking_delta", thinking })),
        { type: "signature_delta", signature: block.signature },
      ];
    case "tool_use": {
      const json = JSON.stringify(block.input);
      const parts = ["", json.slice(0, json.length / 2), json.slice(json.length / 2)];
      return parts.map((partial_json) => ({ type: "input_json_delta", partial_json }));
    }
    default:
      return words(block.text).map((text) => ({ type: "text_delta", text }));
  }
}
