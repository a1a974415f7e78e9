import type { RecordingClient } from "./client.ts";
import type { Chances } from "./seeded.ts";
import type { Service } from "./service.ts";

/** What a run's faults meet, and where it is written down what was done. */
export interface World {
  readonly service: Service;
  readonly client: RecordingClient;
  readonly tally: Tally;
  /** One fault plan at a time: each takes the place of the one before. */
  readonly plans: Turns;
}

/** Lets one after the other do its work. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** A fault of a run: does its harm, and resolves when it is over. What it began it ends itself. */
export interface Injector {
  readonly name: string;
  /** False: there was nobody to do it to, and it does not count. */
  readonly run: (world: World, c: Chances) => Promise<boolean | undefined>;
}

/** What was done, for the table at the end. */
export class Tally {
  readonly counts = new Map<string, number>();
  /** When replicas lagged, by the client's count. */
  readonly stale: { from: number; to: number }[] = [];
  /** Processes that are stopped for a while: a kill in that time would make another fault of it. */
  readonly frozen = new Set<number>();
  hostsKilled = 0;
  kills = 0;

  add(name: string, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }
}
