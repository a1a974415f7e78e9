import type { Container } from "@azure/cosmos";
import type { LeaseWatch, WatchedLease } from "../../job/sweep/lease-watch.ts";
import { STORED_VERSION } from "../../store.ts";
import { storeOperation } from "./client.ts";

/** Beside the sweeper's last round. */
const SCOPE = "sweeper";
const WATCH_ID = "watched-leases";
/** Nobody is late any more: what is left of the list goes by itself. */
const TTL_SECONDS = 3_600;

/** The leases that are watched: one item of the `control` container, some 150 bytes a lease. */
export class CosmosLeaseWatch implements LeaseWatch {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async read(): Promise<readonly WatchedLease[]> {
    const response = await storeOperation("read watched leases", (abortSignal) =>
      this.#control.item(WATCH_ID, SCOPE).read<{ leases: WatchedLease[] }>({ abortSignal }),
    );
    return response.resource?.leases ?? [];
  }

  async keep(leases: readonly WatchedLease[]): Promise<void> {
    const item = {
      ...{ id: WATCH_ID, scope: SCOPE, v: STORED_VERSION, kind: "watched_leases" },
      ...{ leases, ttl: TTL_SECONDS },
    };
    await storeOperation("keep watched leases", (abortSignal) =>
      this.#control.items.upsert(item, { abortSignal }),
    );
  }
}
