import { isObject, type JsonObject, objectOf } from "../../../model/protocol/json.ts";
import { sealedItem } from "./object.ts";

/** One event of a response, as its client reads it. */
export interface ResponseEvent {
  readonly type: string;
  /** From 0, without a gap, and the same whenever it is made. */
  readonly sequence_number: number;
  readonly [name: string]: unknown;
}

export const eventText = (event: ResponseEvent): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/** What a response ends with. There is no event of its own for one that was cancelled. */
const LAST: ReadonlyMap<unknown, string> = new Map(
  Object.entries({
    completed: "response.completed",
    incomplete: "response.incomplete",
    cancelled: "response.incomplete",
  }),
);

/**
 * Makes a response's events of what its lab says, in the order of all of that. The same comes of the same, so whoever
 * reads them again, on whatever instance, reads the same numbers.
 */
export class ResponseEvents {
  #next = 0;
  /** Places of items that are taken. */
  #items = 0;
  /** Where the items of this attempt begin. */
  #base = 0;
  readonly #open = new Map<number, JsonObject>();
  /** Of items that were streamed. */
  readonly #ids = new Set<unknown>();

  #event(type: string, more: JsonObject): ResponseEvent {
    return { type, ...more, sequence_number: this.#next++ };
  }

  /** How it begins. @param response as it was when it was accepted */
  begin(response: JsonObject): ResponseEvent[] {
    const queued = { ...response, status: "queued" };
    const running = { ...response, status: "in_progress" };
    return response.background === true
      ? [
          this.#event("response.created", { response: queued }),
          this.#event("response.queued", { response: queued }),
        ]
      : [this.#event("response.created", { response: running })];
  }

  /** It is no longer only in line. */
  start(response: JsonObject): ResponseEvent[] {
    return [this.#event("response.in_progress", { response: { ...response, status: "in_progress" } })];
  }

  /**
   * One of the lab's events.
   * @param data JSON
   * @param deployment whose it is
   */
  add(data: string, deployment: string | null): ResponseEvent[] {
    const event = objectOf(data);
    if (event === undefined || typeof event.type !== "string") return [];
    const { type, sequence_number: _, ...more } = event;
    const at = event.output_index;
    if (typeof at !== "number") return [this.#event(type, more)];
    const output_index = this.#base + at;
    this.#items = Math.max(this.#items, output_index + 1);
    if (!isObject(more.item)) return [this.#event(type, { ...more, output_index })];
    const item = sealedItem(more.item, deployment);
    this.#ids.add(item.id);
    if (type === "response.output_item.added") this.#open.set(output_index, item);
    if (type === "response.output_item.done") this.#open.delete(output_index);
    return [this.#event(type, { ...more, output_index, item })];
  }

  /** The attempt is lost: what it left open ends, and what follows stands behind it. */
  close(as = (item: JsonObject): JsonObject => ({ ...item, status: "incomplete" })): ResponseEvent[] {
    const closed = [...this.#open].map(([output_index, item]) =>
      this.#event("response.output_item.done", { output_index, item: as(item) }),
    );
    this.#open.clear();
    this.#base = this.#items;
    return closed;
  }

  /** How it ends; what was not streamed of its items comes before. */
  end(response: JsonObject): ResponseEvent[] {
    const output = Array.isArray(response.output) ? response.output.filter(isObject) : [];
    for (const [at, { id }] of this.#open) {
      const whole = output.find((item) => item.id === id);
      if (whole !== undefined) this.#open.set(at, whole);
    }
    const ended = this.close((item) => (output.includes(item) ? item : { ...item, status: "incomplete" }));
    const rest = output.filter(({ id }) => !this.#ids.has(id)).flatMap((item) => this.#whole(item));
    const type = LAST.get(response.status) ?? "response.failed";
    return [...ended, ...rest, this.#event(type, { response })];
  }

  #whole(item: JsonObject): ResponseEvent[] {
    const output_index = this.#items++;
    const of = { item_id: item.id, output_index };
    const content = Array.isArray(item.content) ? item.content.filter(isObject) : [];
    const begun = begunOf(item);
    return [
      this.#event("response.output_item.added", { output_index, item: begun }),
      ...(item.type === "message"
        ? content.flatMap((part, content_index) => this.#part(part, { ...of, content_index }))
        : []),
      ...(item.type === "function_call"
        ? [
            this.#event("response.function_call_arguments.delta", { ...of, delta: item.arguments }),
            this.#event("response.function_call_arguments.done", {
              ...of,
              ...{ name: item.name, arguments: item.arguments },
            }),
          ]
        : []),
      this.#event("response.output_item.done", { output_index, item }),
    ];
  }

  #part(part: JsonObject, of: JsonObject): ResponseEvent[] {
    const isText = part.type === "output_text";
    const kind = isText ? "output_text" : "refusal";
    const text = isText ? part.text : part.refusal;
    const logprobs = isText ? { logprobs: part.logprobs ?? [] } : {};
    const said = isText ? { text } : { refusal: text };
    return [
      this.#event("response.content_part.added", {
        ...of,
        part: { ...part, ...(isText ? { text: "" } : { refusal: "" }) },
      }),
      this.#event(`response.${kind}.delta`, { ...of, delta: text, ...logprobs }),
      this.#event(`response.${kind}.done`, { ...of, ...said, ...logprobs }),
      this.#event("response.content_part.done", { ...of, part }),
    ];
  }
}

function begunOf(item: JsonObject): JsonObject {
  if (item.type === "message") return { ...item, status: "in_progress", content: [] };
  if (item.type === "function_call") return { ...item, status: "in_progress", arguments: "" };
  return item;
}
