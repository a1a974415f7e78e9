import type { Clock } from "../../clock.ts";
import type { DispatcherLease, DispatcherLeases, StoredLease } from "../ports.ts";

/** A holder that has not renewed for so long is gone. */
const LEASE_MS = 5_000;
/** The store's clock tells whole seconds. */
const STEP_MS = 1_000;
const RENEW_EVERY_MS = 1_500;

/**
 * Who dispatches: a lease in the store, taken by etag. The store's own clock tells how old it is, so that one look is
 * enough for a process that lives for one invocation.
 */
export class Leadership {
  readonly #deps: { leases: DispatcherLeases; clock: Clock; instance: string };
  #etag: string | undefined;
  #renewals = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: { leases: DispatcherLeases; clock: Clock; instance: string }) {
    this.#deps = deps;
  }

  /** Whether somebody who lives holds it. */
  static isHeld(stored: StoredLease | undefined): boolean {
    return stored !== undefined && stored.value.holder !== null && stored.age_ms < LEASE_MS + STEP_MS;
  }

  /** This instance's own hold is not in doubt: one that was held up, or frozen, renews before it decides anything. */
  get isSure(): boolean {
    return this.#deps.clock.monotonic() - this.#renewedAt < LEASE_MS;
  }

  /** What was stored before, where this instance holds it now. Throws StoreUnavailable. */
  async acquire(): Promise<{ readonly before: StoredLease | undefined } | undefined> {
    const before = await this.#deps.leases.read();
    if (Leadership.isHeld(before)) return undefined;
    this.#etag = before?.etag;
    this.#renewals = before?.value.renewals ?? 0;
    return (await this.#write({ holder: this.#deps.instance })) ? { before } : undefined;
  }

  /** False: it is another's now. However late it comes, it is still its own where no other has written. Throws StoreUnavailable. */
  async renew(): Promise<boolean> {
    const { leases, clock, instance } = this.#deps;
    if (clock.monotonic() - this.#renewedAt < RENEW_EVERY_MS) return true;
    if (await this.#write({ holder: instance })) return true;
    // A renewal whose answer was lost may have been made.
    const stored = await leases.read();
    if (stored?.value.holder !== instance || stored.value.renewals > this.#renewals + 1) return false;
    this.#etag = stored.etag;
    this.#renewals = stored.value.renewals;
    return this.#write({ holder: instance });
  }

  async release(left: Pick<DispatcherLease, "resumes_ms" | "granted_ms">): Promise<void> {
    await this.#write({ holder: null, ...left });
  }

  async #write(lease: Omit<DispatcherLease, "renewals">): Promise<boolean> {
    const at = this.#deps.clock.monotonic();
    const renewals = this.#renewals + 1;
    const written = await this.#deps.leases.write({ ...lease, renewals }, this.#etag);
    if (written.kind === "superseded") return false;
    this.#etag = written.etag;
    this.#renewals = renewals;
    this.#renewedAt = at;
    return true;
  }
}
