import type { LeaseWatch, WatchedLease } from "../../job/sweep/lease-watch.ts";
import { ITEMS, watchedLeasesPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** The leases that are watched: one item of the `control` container. */
export class CosmosLeaseWatch implements LeaseWatch {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  /** A list that cannot be read is begun again: that costs time and nothing else. */
  async read(): Promise<readonly WatchedLease[]> {
    const found = await this.#control.readOrTell(ITEMS.watched_leases, watchedLeasesPlace);
    return found?.value?.leases ?? [];
  }

  async keep(leases: readonly WatchedLease[]): Promise<void> {
    await this.#control.put(ITEMS.watched_leases, watchedLeasesPlace, { leases });
  }
}
