import { type Clock, systemClock } from "../clock.ts";

/** How a delivery is settled; the SDK's own calls do it. */
export type Outcome = "complete" | "abandon";

interface Waiting {
  readonly outcome: Outcome;
  readonly settle: () => Promise<void>;
  readonly resolve: (done: Promise<void>) => void;
}

/**
 * Completes wait this long for others. No caller waits for them, and many then share a frame, a socket write and a
 * commit of the broker. If the host is killed meanwhile, its messages run again, as at any moment before.
 */
const GATHER_MS = 20;

/**
 * Lets settlements of one outcome through in a turn of the event loop, never two kinds.
 *
 * rhea 3.0.5 writes the dispositions of a turn in runs, and does not compare the states of a run's first two: a
 * complete beside an abandon would go out as one disposition with the first one's state, and a message would be lost or
 * run again. Completes alone may share a turn.
 */
export class Settlements {
  readonly #clock: Clock;
  /** In the order they came. */
  #waiting: Waiting[] = [];
  #gathering = false;
  /** Something was settled in this turn of the event loop. */
  #turnTaken = false;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Calls `settle` in this turn or a later one; resolves or rejects as it does. */
  settle(outcome: Outcome, settle: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ outcome, settle, resolve });
      if (outcome === "complete") this.#gather();
      else if (!this.#turnTaken) this.#turn();
    });
  }

  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#clock.after(GATHER_MS, () => {
      this.#gathering = false;
      if (!this.#turnTaken) this.#turn();
    });
  }

  /** All that wait for the first one's outcome go together; their order among themselves is kept. */
  #turn(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#turnTaken = true;
    // When an immediate runs, rhea (process.nextTick) has written what this turn settled.
    setImmediate(() => {
      this.#turnTaken = false;
      this.#turn();
    });
    const now = this.#waiting.filter((w) => w.outcome === first.outcome);
    this.#waiting = this.#waiting.filter((w) => w.outcome !== first.outcome);
    for (const { settle, resolve } of now) resolve(settle());
  }
}
