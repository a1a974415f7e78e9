/** How a delivery is settled; the SDK's own calls do it. */
export type Outcome = "complete" | "abandon";

interface Waiting {
  readonly outcome: Outcome;
  readonly settle: () => Promise<void>;
  readonly resolve: (done: Promise<void>) => void;
}

/**
 * Lets settlements of one outcome through in a turn of the event loop, never two kinds.
 *
 * rhea 3.0.5 writes the dispositions of a turn in runs, and does not compare the states of a run's first two: a
 * complete beside an abandon would go out as one disposition with the first one's state, and a message would be lost or
 * run again. Completes alone may share a turn, so throughput stays.
 */
export class Settlements {
  /** What this turn is for; undefined until something is settled in it. */
  #outcome: Outcome | undefined;
  #waiting: Waiting[] = [];

  /** Calls `settle` in this turn or a later one; resolves or rejects as it does. */
  settle(outcome: Outcome, settle: () => Promise<void>): Promise<void> {
    if (this.#waiting.length === 0 && (this.#outcome === undefined || this.#outcome === outcome)) {
      this.#begin(outcome);
      return settle();
    }
    return new Promise((resolve) => this.#waiting.push({ outcome, settle, resolve }));
  }

  #begin(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    // By the time an immediate runs, rhea (process.nextTick) has written what this turn settled.
    setImmediate(() => this.#nextTurn());
  }

  /** All that wait for the outcome whose turn it now is go together; their order among themselves is kept. */
  #nextTurn(): void {
    this.#outcome = undefined;
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#begin(first.outcome);
    const now = this.#waiting.filter((w) => w.outcome === first.outcome);
    this.#waiting = this.#waiting.filter((w) => w.outcome !== first.outcome);
    for (const { settle, resolve } of now) resolve(settle());
  }
}
