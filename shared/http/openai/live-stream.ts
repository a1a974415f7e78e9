import type { EventLogs } from "../../events/event-logs.ts";
import type { PassOn } from "../../job/run/run-deps.ts";
import type { AnswerEvent } from "../../model/protocol/protocol.ts";
import type { JobKey } from "../../store.ts";

/** The events of one job's answer, from the call or the log that they come from to the client that reads them. */
export class LiveStream implements PassOn {
  #waiting: AnswerEvent[] = [];
  #more = Promise.withResolvers<"more">();
  #broken = Promise.withResolvers<"broken_off">();
  /** Resolves with the first event. */
  readonly first: Promise<unknown> = this.#more.promise;
  isShown = false;
  /** What was shown is not gone on with: no other answer can follow it. */
  isBrokenOff = false;

  readonly event = (event: AnswerEvent): void => {
    if (this.isBrokenOff) return;
    this.isShown = true;
    this.#waiting.push(event);
    this.#more.resolve("more");
  };

  breakOff(): void {
    this.isBrokenOff = true;
    this.#broken.resolve("broken_off");
  }

  get brokenOff(): Promise<"broken_off"> {
    return this.#broken.promise;
  }

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

  /** Shows what the job's log has, and what is added to it until `ended` resolves. @throws StoreUnavailable, and as `ended` rejects */
  async follow(events: Pick<EventLogs, "follow">, job: JobKey, ended: Promise<unknown>): Promise<void> {
    for await (const logged of events.follow(job, -1, ended)) {
      // What a lost attempt said is of no use to whoever has not seen it yet.
      const lastClosed = logged.findLastIndex(({ event }) => event === null);
      if (lastClosed >= 0 && this.isShown) return this.breakOff();
      for (const { event } of logged.slice(lastClosed + 1)) if (event !== null) this.event(event);
    }
  }
}
