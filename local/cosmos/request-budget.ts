import type { Clock } from "../clock.ts";
import { CosmosError } from "./cosmos-error.ts";

const SECOND_MS = 1_000;
/** An SDK retries nine times, and for 30 s in all. */
const MAX_WAIT_MS = 3_000;
/** How much the latest request tells of what the next will cost. */
const LATEST_WEIGHT = 0.1;

/**
 * Request units a second, as provisioned. A request is let in while there are any left, and may overdraw; the next
 * ones are refused until the debt is paid off. Those that are refused are told to come back one after the other, each
 * when there will be units for it: all at once, most would be refused again until they give up.
 */
export class RequestBudget {
  readonly #clock: Clock;
  #perSecond: number;
  #left: number;
  #at: number;
  /** Units that were promised to refused requests, and are not earned yet. */
  #promised = 0;
  #typicalUnits = 1;

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
    const units = this.#promised - this.#left;
    const most = (MAX_WAIT_MS * this.#perSecond) / SECOND_MS;
    this.#promised = Math.min(most, this.#promised + this.#typicalUnits);
    const retryAfterMs = Math.min(MAX_WAIT_MS, Math.floor((units * SECOND_MS) / this.#perSecond) + 1);
    throw new CosmosError(
      429,
      "Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later.",
      { substatus: 3200, retryAfterMs },
    );
  }

  spend(units: number): void {
    this.#left -= units;
    this.#typicalUnits += (units - this.#typicalUnits) * LATEST_WEIGHT;
  }

  #refill(): void {
    const now = this.#clock.now();
    const earned = (Math.max(0, now - this.#at) * this.#perSecond) / SECOND_MS;
    // What pays a debt fulfils no promise.
    this.#promised = Math.max(0, this.#promised - Math.max(0, this.#left < 0 ? earned + this.#left : earned));
    this.#left = Math.min(this.#perSecond, this.#left + earned);
    this.#at = now;
  }
}
