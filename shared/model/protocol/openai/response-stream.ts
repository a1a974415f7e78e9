import { EventText } from "../event-text.ts";
import { isObject, type JsonObject, objectOf } from "../json.ts";
import type { AnswerEvent, AnswerStream } from "../protocol.ts";

/** What a response is at its end. */
const LAST = /^response\.(completed|incomplete|failed)$/;
/** What it is on the way there; of no use to others. */
const LIFE = /^response\.(created|queued|in_progress)$/;

/**
 * A streamed response. Events of its items are passed on; those of its life tell of the lab's own object, and stay here:
 * whoever shows the response has an object of his own.
 */
export class ResponseStream implements AnswerStream {
  readonly #text = new EventText();
  #whole: JsonObject | undefined;

  take(text: string): readonly AnswerEvent[] {
    return this.#text.take(text).flatMap((data) => this.#takeEvent(data));
  }

  #takeEvent(data: string): readonly AnswerEvent[] {
    if (this.#whole !== undefined || data.trim() === "[DONE]") return [];
    const event = objectOf(data);
    const type = typeof event?.type === "string" ? event.type : "";
    if (event === undefined || type === "error" || isObject(event.error)) {
      this.#whole = {
        error: event?.error ?? event ?? { message: "an event of the stream is no JSON object" },
      };
    } else if (LAST.test(type)) this.#whole = isObject(event.response) ? event.response : {};
    else if (type.startsWith("response.") && !LIFE.test(type)) return [{ data, isUsage: false }];
    return [];
  }

  whole(): string | undefined {
    return this.#whole === undefined ? undefined : JSON.stringify(this.#whole);
  }
}
