import { EventText } from "../event-text.ts";
import { isObject, type JsonObject, objectOf } from "../json.ts";
import type { AnswerEvent, AnswerStream } from "../protocol.ts";

/** A choice as it has come so far: its message, and whatever else its chunks said last. */
interface Choice {
  readonly message: Fields;
  readonly calls: Fields[];
  readonly rest: Fields;
}
type Fields = Record<string, unknown>;

/** A streamed chat completion: server-sent events of `chat.completion.chunk`, then `[DONE]`. */
export class ChatStream implements AnswerStream {
  readonly #text = new EventText();
  /** Events that say nothing yet. */
  #held: AnswerEvent[] = [];
  #isShown = false;
  #isDone = false;
  #error: JsonObject | undefined;
  readonly #head: Fields = {};
  readonly #choices: (Choice | undefined)[] = [];

  take(text: string): readonly AnswerEvent[] {
    return this.#text.take(text).flatMap((data) => this.#takeEvent(data));
  }

  #takeEvent(data: string): readonly AnswerEvent[] {
    if (this.#isDone || this.#error !== undefined) return [];
    if (data.trim() === "[DONE]") {
      this.#isDone = true;
      return [];
    }
    const chunk = objectOf(data);
    if (chunk === undefined || isFilled(chunk.error)) {
      this.#error = chunk ?? { error: { message: "an event of the stream is no JSON object" } };
      return [];
    }
    const says = this.#add(chunk);
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    this.#held.push({ data, isUsage: choices.length === 0 && isObject(chunk.usage) });
    this.#isShown ||= says;
    return this.#isShown ? this.#held.splice(0) : [];
  }

  /** @returns whether the chunk says something to whoever reads it */
  #add({ choices, object: _, ...head }: JsonObject): boolean {
    // Later chunks may leave empty what earlier ones said.
    for (const [name, value] of Object.entries(head)) if (isFilled(value)) this.#head[name] = value;
    if (!Array.isArray(choices)) return false;
    return choices
      .filter(isObject)
      .map((choice) => this.#addChoice(choice))
      .includes(true);
  }

  #addChoice({ index, delta, ...rest }: JsonObject): boolean {
    const at = placeOf(index, 0);
    const choice = this.#choices[at] ?? {
      ...{ message: { role: "assistant", content: null }, calls: [], rest: {} },
    };
    this.#choices[at] = choice;
    for (const [name, value] of Object.entries(rest)) {
      if (!isFilled(value)) continue;
      choice.rest[name] = name === "logprobs" ? together(choice.rest[name], value) : value;
    }
    const parts = Object.entries(isObject(delta) ? delta : {});
    return (
      parts.map(([name, value]) => addPart(choice, name, value)).includes(true) ||
      isFilled(rest.finish_reason)
    );
  }

  whole(): string | undefined {
    if (this.#error !== undefined) return JSON.stringify(this.#error);
    const choices = [...this.#choices.entries()].flatMap(([index, choice]) =>
      choice === undefined ? [] : [wholeChoice(index, choice)],
    );
    const isEnded = choices.length > 0 && choices.every((choice) => isFilled(choice.finish_reason));
    if (!isEnded && !this.#isDone) return undefined;
    return JSON.stringify({ object: "chat.completion", ...this.#head, choices });
  }
}

/** Choices of an answer, and tool calls of a choice: more than a lab gives. */
const MAX_PARTS = 1_024;

function wholeChoice(index: number, { message, calls, rest }: Choice): JsonObject {
  const called = calls.filter((call) => call !== undefined);
  return {
    index,
    message: called.length === 0 ? message : { ...message, tool_calls: called },
    ...{ logprobs: null, finish_reason: null, ...rest },
  };
}

/** @returns whether it says something to whoever reads it */
function addPart({ message, calls }: Choice, name: string, value: unknown): boolean {
  if (name === "role" && isFilled(value)) message.role = value;
  // An empty text is a text.
  else if (name === "content" && value === "") message.content ??= value;
  else if (isFilled(value)) {
    if (name !== "tool_calls" || !Array.isArray(value)) message[name] = together(message[name], value);
    else for (const call of value.filter(isObject)) addCall(calls, call);
    return true;
  }
  return false;
}

const placeOf = (index: unknown, otherwise: number) =>
  typeof index === "number" && index >= 0 && index < MAX_PARTS ? index : otherwise;

function addCall(calls: Fields[], { index, ...call }: JsonObject): void {
  const at = placeOf(index, Math.max(0, calls.length - 1));
  const { id, type } = calls[at] ?? {};
  // Some labs say these again with each part: they are no texts to be put together.
  const same = { ...(id === undefined ? {} : { id }), ...(type === undefined ? {} : { type }) };
  calls[at] = { ...(together(calls[at], call) as Fields), ...same };
}

/** Texts one after the other, objects member by member, lists together; of anything else the later one. */
function together(before: unknown, more: unknown): unknown {
  if (typeof before === "string" && typeof more === "string") return before + more;
  if (Array.isArray(before) && Array.isArray(more)) return [...before, ...more];
  if (!isObject(before) || !isObject(more)) return more ?? before;
  const all: Fields = { ...before };
  for (const [name, value] of Object.entries(more)) all[name] = together(before[name], value);
  return all;
}

const isFilled = (value: unknown) => value !== undefined && value !== null && value !== "";
