import type { Clock } from "../clock.ts";

/** A rate that all who share it keep together, however many they are: each is let go when its turn has come. */
export class Pace {
  readonly #perSecond: number;
  readonly #clock: Pick<Clock, "monotonic" | "after">;
  #freeAtMs = 0;

  constructor(perSecond: number, clock: Pick<Clock, "monotonic" | "after">) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Resolves when so much may go; what comes after it waits as long as this takes. */
  async take(amount: number): Promise<void> {
    const nowMs = this.#clock.monotonic();
    const fromMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = fromMs + (1000 * amount) / this.#perSecond;
    // No timer knows less than a millisecond.
    if (fromMs - nowMs >= 1) await new Promise<void>((resolve) => this.#clock.after(fromMs - nowMs, resolve));
  }
}
