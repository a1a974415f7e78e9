import type { PassOn } from "../../job/run/run-deps.ts";
import type { AnswerEvent } from "../../model/protocol/protocol.ts";

/** The events of one job's answer, from the call that they come from to the client that reads them. */
export class LiveStream implements PassOn {
  #waiting: AnswerEvent[] = [];
  #more = Promise.withResolvers<"more">();
  /** Resolves with the first event. */
  readonly first: Promise<unknown> = this.#more.promise;
  isShown = false;

  readonly event = (event: AnswerEvent): void => {
    this.isShown = true;
    this.#waiting.push(event);
    this.#more.resolve("more");
  };

  /** Resolves once there is something to take. */
  next(): Promise<"more"> {
    return this.#more.promise;
  }

  take(): readonly AnswerEvent[] {
    const taken = this.#waiting;
    this.#waiting = [];
    if (taken.length > 0) this.#more = Promise.withResolvers();
    return taken;
  }
}
