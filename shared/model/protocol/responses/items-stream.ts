import { isObject, type JsonObject, objectOf } from "../json.ts";
import type { AnswerEvent, AnswerStream } from "../protocol.ts";
import {
  callItem,
  type ItemType,
  incompleteReason,
  itemId,
  type Maker,
  messageItem,
  reasoningItem,
  textPart,
} from "./answer.ts";

/** An item as it has come so far. */
interface Item {
  readonly id: string;
  readonly type: ItemType;
  readonly at: number;
  /** What stays open in it, by its kind: its text, its refusal, its arguments. */
  readonly parts: Part[];
  /** Of a call: its id and its name. */
  readonly call?: JsonObject;
}

interface Part {
  readonly kind: "output_text" | "refusal" | "reasoning_text" | "arguments";
  text: string;
}

/**
 * A streamed chat completion as the events of a response's items. An item is open until the end: a lab may go on with
 * any of them.
 */
export class ItemsStream implements AnswerStream {
  readonly #chunks: AnswerStream;
  readonly #by: Maker;
  readonly #items: Item[] = [];
  readonly #calls = new Map<unknown, Item>();
  #blocks: unknown[] = [];
  #logprobs: unknown[] = [];

  /** @param chunks the chat completion */
  constructor(chunks: AnswerStream, by: Maker) {
    this.#chunks = chunks;
    this.#by = by;
  }

  take(text: string): readonly AnswerEvent[] {
    return this.#chunks
      .take(text)
      .flatMap(({ data }) => this.#takeChunk(objectOf(data)))
      .map((event) => ({ data: JSON.stringify(event), isUsage: false }));
  }

  whole(): string | undefined {
    return this.#chunks.whole();
  }

  #takeChunk(chunk: JsonObject | undefined): JsonObject[] {
    const [choice] = Array.isArray(chunk?.choices) ? chunk.choices.filter(isObject) : [];
    if (choice === undefined) return [];
    const delta = isObject(choice.delta) ? choice.delta : {};
    const logprobs = isObject(choice.logprobs) ? choice.logprobs.content : undefined;
    const calls = Array.isArray(delta.tool_calls) ? delta.tool_calls.filter(isObject) : [];
    if (Array.isArray(delta.thinking_blocks)) this.#blocks.push(...delta.thinking_blocks);
    if (Array.isArray(logprobs)) this.#logprobs.push(...logprobs);
    const thought = delta.reasoning_content ?? delta.reasoning;
    return [
      ...this.#says("reasoning", "reasoning_text", thought, "response.reasoning_text.delta"),
      ...this.#says("message", "output_text", delta.content, "response.output_text.delta", {
        logprobs: Array.isArray(logprobs) ? logprobs : [],
      }),
      ...this.#says("message", "refusal", delta.refusal, "response.refusal.delta"),
      ...calls.flatMap((call) => this.#addCall(call)),
      ...(typeof choice.finish_reason === "string" ? this.#finish(choice.finish_reason) : []),
    ];
  }

  /** A text of an item goes on; the item and its part are begun where they have not been. */
  #says(
    type: "reasoning" | "message",
    kind: Part["kind"],
    text: unknown,
    event: string,
    more: JsonObject = {},
  ): JsonObject[] {
    if (typeof text !== "string" || text === "") return [];
    const begun: JsonObject[] = [];
    const item = this.#items.find((each) => each.type === type) ?? this.#begin(type, begun);
    let at = item.parts.findIndex((part) => part.kind === kind);
    if (at === -1) {
      at = item.parts.push({ kind, text: "" }) - 1;
      const part = partOf({ kind, text: "" });
      begun.push({ ...named("response.content_part.added", item), content_index: at, part });
    }
    const part = item.parts[at];
    if (part !== undefined) part.text += text;
    return [...begun, { ...named(event, item), content_index: at, delta: text, ...more }];
  }

  #begin(type: ItemType, events: JsonObject[], call?: JsonObject): Item {
    const at = this.#items.length;
    const parts: Part[] = call === undefined ? [] : [{ kind: "arguments", text: "" }];
    const item: Item = {
      id: itemId(this.#by, type, at),
      type,
      at,
      parts,
      ...(call === undefined ? {} : { call }),
    };
    this.#items.push(item);
    events.push({
      type: "response.output_item.added",
      output_index: at,
      item: this.#itemOf(item, "in_progress"),
    });
    return item;
  }

  #addCall({ index = 0, id, function: of }: JsonObject): JsonObject[] {
    const { name, arguments: said } = isObject(of) ? of : {};
    const begun: JsonObject[] = [];
    let item = this.#calls.get(index);
    if (item === undefined) {
      item = this.#begin("function_call", begun, { id, function: { name } });
      this.#calls.set(index, item);
    }
    const [part] = item.parts;
    if (typeof said !== "string" || said === "" || part === undefined) return begun;
    part.text += said;
    return [...begun, { ...named("response.function_call_arguments.delta", item), delta: said }];
  }

  /** All that is open ends. */
  #finish(reason: string): JsonObject[] {
    const begun: JsonObject[] = [];
    // Thoughts that are not shown are sealed all the same.
    const isHidden = this.#blocks.length > 0 && !this.#items.some(({ type }) => type === "reasoning");
    if (isHidden) this.#begin("reasoning", begun);
    const status = incompleteReason(reason) === undefined ? "completed" : "incomplete";
    return [
      ...begun,
      ...this.#items.flatMap((item) => [
        ...item.parts.flatMap((part, at) => endOf(item, part, at, this.#logprobs)),
        { type: "response.output_item.done", output_index: item.at, item: this.#itemOf(item, status) },
      ]),
    ];
  }

  /** As in the whole answer. */
  #itemOf({ id, type, parts, call = {} }: Item, status: string): JsonObject {
    const text = (kind: Part["kind"]) => parts.find((part) => part.kind === kind)?.text ?? "";
    switch (type) {
      case "reasoning": {
        const blocks = status === "in_progress" ? [] : this.#blocks;
        return reasoningItem(id, status === "in_progress" ? "" : text("reasoning_text"), blocks, this.#by);
      }
      case "message":
        return messageItem(
          id,
          status,
          status === "in_progress" ? [] : parts.map((part) => partOf(part, this.#logprobs)),
        );
      case "function_call": {
        const { function: of } = call;
        return callItem(id, status, {
          ...call,
          function: { ...(of as JsonObject), arguments: text("arguments") },
        });
      }
    }
  }
}

const named = (type: string, { id, at }: Item) => ({ type, item_id: id, output_index: at });

function partOf({ kind, text }: Part, logprobs?: unknown): JsonObject {
  if (kind === "output_text") return textPart(text, logprobs);
  return kind === "refusal" ? { type: kind, refusal: text } : { type: kind, text };
}

function endOf(item: Item, part: Part, at: number, logprobs: unknown): JsonObject[] {
  const { kind, text } = part;
  if (kind === "arguments") {
    const { name } = (item.call?.function ?? {}) as JsonObject;
    return [{ ...named("response.function_call_arguments.done", item), name, arguments: text }];
  }
  const said = kind === "refusal" ? { refusal: text } : { text };
  const more = kind === "output_text" ? { logprobs } : {};
  return [
    { ...named(`response.${kind}.done`, item), content_index: at, ...said, ...more },
    { ...named("response.content_part.done", item), content_index: at, part: partOf(part, logprobs) },
  ];
}
