import { Agent, request } from "node:http";
import { timersFile } from "../host/shared-stores.ts";
import { DueTimers } from "../host/timer-store.ts";
import type { Backlog, Counters } from "./work.ts";

/** An answer that has not come by then is of no use: the next look asks again. */
const ANSWER_MS = 1_000;

/** Looks at what waits: messages by the emulators' control door, timers in the file that the hosts share. */
export class BacklogLook {
  readonly #controlPort: () => number | undefined;
  readonly #timersFile: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #timers: DueTimers | undefined;

  constructor(dataDir: string, controlPort: () => number | undefined) {
    this.#timersFile = timersFile(dataDir);
    this.#controlPort = controlPort;
  }

  async look(): Promise<Omit<Backlog, "openRequests">> {
    return { counters: await this.#counters(), dueTimers: this.#dueTimers() };
  }

  close(): void {
    this.#agent.destroy();
    this.#timers?.close();
    this.#timers = undefined;
  }

  #dueTimers(): Set<string> {
    try {
      this.#timers ??= new DueTimers(this.#timersFile);
      return this.#timers.at(Date.now());
    } catch {
      // No host has made the file yet, or one writes to it just now: the next look is soon.
      return new Set();
    }
  }

  /** Undefined while the emulators are not there. */
  #counters(): Promise<Counters | undefined> {
    const port = this.#controlPort();
    if (port === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const none = () => resolve(undefined);
      const asked = request(
        { host: "127.0.0.1", port, agent: this.#agent, signal: AbortSignal.timeout(ANSWER_MS) },
        (response) => {
          let text = "";
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () => resolve((JSON.parse(text) as { service_bus: Counters }).service_bus));
          response.on("error", none);
        },
      );
      asked.on("error", none).end();
    });
  }
}
