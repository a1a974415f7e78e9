import type { Source } from "../host/function-groups.ts";
import { NO_WORK, type Work } from "./scale-controller.ts";

/** The emulators' counters of a queue, by name: `nudges.ready`, `nudges.locked`, `nudges.dead`. */
export type Counters = Readonly<Record<string, number>>;

export interface Backlog {
  /** Undefined while they cannot be had. */
  readonly counters: Counters | undefined;
  readonly dueTimers: ReadonlySet<string>;
  /** Client connections of the HTTP group that wait for an answer. */
  readonly openRequests: number;
}

/** Flex Consumption's own concurrency of HTTP for an instance of 2,048 MB. */
const HTTP_CONCURRENCY = 16;

/**
 * What a group has to do, from what its source holds: as the platform's target-based scaling reckons. `anyAwake`: of
 * the group's instances; with none, locked messages are those that a frozen one holds.
 */
export function workOf(source: Source, backlog: Backlog, anyAwake: boolean): Work {
  switch (source.kind) {
    case "http":
      // Whoever passes requests on wakes the instance it chooses.
      return { wanted: Math.ceil(backlog.openRequests / HTTP_CONCURRENCY), thaws: "none" };
    case "timer":
      return backlog.dueTimers.has(source.name) ? { wanted: 1, thaws: "one" } : NO_WORK;
    case "queue": {
      const count = (what: string) => backlog.counters?.[`${source.queue}.${what}`] ?? 0;
      const [waiting, locked] = source.deadLetters ? [count("dead"), 0] : [count("ready"), count("locked")];
      const wanted = Math.ceil((waiting + locked) / source.maxConcurrentCalls);
      return { wanted, thaws: waiting > 0 || (locked > 0 && !anyAwake) ? "all" : "none" };
    }
    case "other":
      return { wanted: 1, thaws: "all" };
  }
}
