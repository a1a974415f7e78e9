import type { Clock } from "../clock.ts";
import { CosmosError } from "./cosmos-error.ts";

const SECOND_MS = 1_000;

/**
 * Request units a second, as provisioned. A request is let in while there are any left, and may overdraw; the next
 * ones are refused until the debt is paid off.
 */
export class RequestBudget {
  readonly #clock: Clock;
  #perSecond: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#at = clock.now();
  }

  set perSecond(perSecond: number) {
    this.#refill();
    this.#perSecond = perSecond;
  }

  /** @throws CosmosError 429 with the time after which there are some again */
  admit(): void {
    this.#refill();
    if (this.#left > 0) return;
    throw new CosmosError(
      429,
      "Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later.",
      { substatus: 3200, retryAfterMs: Math.floor((-this.#left * SECOND_MS) / this.#perSecond) + 1 },
    );
  }

  spend(units: number): void {
    this.#left -= units;
  }

  #refill(): void {
    const now = this.#clock.now();
    const earned = ((now - this.#at) * this.#perSecond) / SECOND_MS;
    this.#left = Math.min(this.#perSecond, this.#left + Math.max(0, earned));
    this.#at = now;
  }
}
