import { EventText } from "../event-text.ts";
import { isObject, type JsonObject, objectOf, textOf } from "../json.ts";
import type { AnswerEvent, AnswerStream, Asked } from "../protocol.ts";
import { finishReasonOf, isThought, refusalIn, usageOf } from "./answer.ts";

type Fields = Record<string, unknown>;

/** A block as it has come so far. */
interface Block {
  readonly fields: Fields;
  /** A call's arguments, as far as they have come. */
  json: string;
  /** A call's place among the calls. */
  readonly call: number;
}

/** Blocks of a message: more than a lab gives. */
const MAX_BLOCKS = 1_024;

/** A streamed message: its events as chunks of a chat completion, and the message that they make. */
export class MessageStream implements AnswerStream {
  readonly #created: number;
  readonly #text = new EventText();
  readonly #blocks: (Block | undefined)[] = [];
  #calls = 0;
  #message: Fields = {};
  #usage: Fields | undefined;
  #error: JsonObject | undefined;
  #isStopped = false;
  /** The role goes out with the first that says something. */
  #isBegun = false;

  constructor({ nowMs }: Pick<Asked, "nowMs">) {
    this.#created = Math.floor(nowMs / 1000);
  }

  take(text: string): readonly AnswerEvent[] {
    return this.#text.take(text).flatMap((data) => this.#takeEvent(data));
  }

  #takeEvent(data: string): readonly AnswerEvent[] {
    if (this.#isStopped || this.#error !== undefined) return [];
    const event = objectOf(data);
    switch (event?.type) {
      case "message_start":
        this.#message = isObject(event.message) ? { ...event.message } : {};
        this.#addUsage(this.#message.usage);
        return [];
      case "content_block_start":
        return this.#begin(event);
      case "content_block_delta":
        return this.#add(event);
      case "content_block_stop":
        return this.#end(event);
      case "message_delta":
        return this.#finish(event);
      case "message_stop":
        this.#isStopped = true;
        return this.#usageEvent();
      case "error":
        this.#error = isObject(event.error) ? event.error : {};
        return [];
      case undefined:
        this.#error = { type: "api_error", message: "an event of the stream is no JSON object" };
        return [];
      default:
        return []; // `ping`, and what is yet to come
    }
  }

  #addUsage(told: unknown): void {
    if (!isObject(told)) return;
    const said = Object.entries(told).filter(([, value]) => value !== null);
    this.#usage = { ...this.#usage, ...Object.fromEntries(said) };
  }

  #begin({ index, content_block }: JsonObject): readonly AnswerEvent[] {
    const at = placeOf(index);
    if (at === undefined || !isObject(content_block)) return [];
    const isCall = content_block.type === "tool_use";
    const block: Block = { fields: { ...content_block }, json: "", call: isCall ? this.#calls++ : -1 };
    this.#blocks[at] = block;
    if (isCall) return this.#delta({ tool_calls: [{ index: block.call, ...calledOf(block.fields) }] });
    // A block may begin with some of what it says.
    const { text, thinking } = content_block;
    return [...this.#says("content", text), ...this.#says("reasoning_content", thinking)];
  }

  #says(name: string, text: unknown): readonly AnswerEvent[] {
    return typeof text === "string" && text !== "" ? this.#delta({ [name]: text }) : [];
  }

  #add({ index, delta }: JsonObject): readonly AnswerEvent[] {
    const block = this.#blocks[placeOf(index) ?? -1];
    if (block === undefined || !isObject(delta)) return [];
    const { fields } = block;
    const more = (name: string) => {
      fields[name] = textOf(fields[name]) + textOf(delta[name]);
    };
    switch (delta.type) {
      case "text_delta":
        more("text");
        return this.#says("content", delta.text);
      case "thinking_delta":
        more("thinking");
        return this.#says("reasoning_content", delta.thinking);
      case "signature_delta":
        more("signature");
        return [];
      case "input_json_delta": {
        const { partial_json: part } = delta;
        if (typeof part !== "string" || part === "" || block.call < 0) return [];
        block.json += part;
        return this.#delta({ tool_calls: [{ index: block.call, function: { arguments: part } }] });
      }
      default:
        return [];
    }
  }

  #end({ index }: JsonObject): readonly AnswerEvent[] {
    const block = this.#blocks[placeOf(index) ?? -1];
    if (block === undefined) return [];
    if (isThought(block.fields)) return this.#delta({ thinking_blocks: [block.fields] });
    if (block.call < 0 || block.json !== "") return [];
    const whole = JSON.stringify(block.fields.input ?? {});
    return this.#delta({ tool_calls: [{ index: block.call, function: { arguments: whole } }] });
  }

  #finish({ delta, usage }: JsonObject): readonly AnswerEvent[] {
    this.#addUsage(usage);
    if (!isObject(delta)) return [];
    Object.assign(this.#message, delta);
    const { stop_reason, stop_details } = this.#message;
    if (stop_reason === undefined || stop_reason === null) return [];
    const refusal = refusalIn(stop_reason, stop_details);
    const finish = [{ index: 0, delta: {}, logprobs: null, finish_reason: finishReasonOf(stop_reason) }];
    return [...(refusal === null ? [] : this.#delta({ refusal })), ...this.#chunk({ choices: finish })];
  }

  #usageEvent(): readonly AnswerEvent[] {
    if (this.#usage === undefined) return [];
    return this.#chunk({ choices: [], usage: usageOf(this.#usage) }, true);
  }

  #delta(more: JsonObject): readonly AnswerEvent[] {
    const role = this.#isBegun ? {} : { role: "assistant" };
    const delta = { ...role, ...more };
    return this.#chunk({ choices: [{ index: 0, delta, logprobs: null, finish_reason: null }] });
  }

  #chunk(more: JsonObject, isUsage = false): readonly AnswerEvent[] {
    this.#isBegun = true;
    const { id, model } = this.#message;
    const chunk = { id, object: "chat.completion.chunk", created: this.#created, model, ...more };
    return [{ data: JSON.stringify(chunk), isUsage }];
  }

  whole(): string | undefined {
    if (this.#error !== undefined) return JSON.stringify({ type: "error", error: this.#error });
    if (!this.#isStopped) return undefined;
    const content = this.#blocks.filter((block) => block !== undefined).map(wholeBlock);
    return JSON.stringify({ type: "message", ...this.#message, content, usage: this.#usage });
  }
}

const calledOf = ({ id, name }: JsonObject) => ({ id, type: "function", function: { name, arguments: "" } });

/** A call's input stays the text that was passed on, cut off or not. */
const wholeBlock = ({ fields, json }: Block) => (json === "" ? fields : { ...fields, input: json });

function placeOf(index: unknown): number | undefined {
  return typeof index === "number" && index >= 0 && index < MAX_BLOCKS ? Math.floor(index) : undefined;
}
