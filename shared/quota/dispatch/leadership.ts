import type { Clock } from "../../clock.ts";
import type { DispatcherLeases } from "../ports.ts";

/** A holder that has not renewed for so long is gone. */
const LEASE_MS = 5_000;
const RENEW_EVERY_MS = 1_500;
/** How often a lease that another holds is looked at. */
const LOOK_EVERY_MS = 1_000;

/**
 * Who dispatches: a lease in the store, taken by etag. A holder counts as gone when it was seen here unchanged for the
 * lease's whole length, by this instance's own steady clock.
 */
export class Leadership {
  readonly #deps: { leases: DispatcherLeases; clock: Clock; instance: string };
  #etag: string | undefined;
  #renewals = 0;
  #renewedAt = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #seen: { readonly etag: string; readonly since: number } | undefined;
  #acquiring: Promise<boolean> | undefined;

  constructor(deps: { leases: DispatcherLeases; clock: Clock; instance: string }) {
    this.#deps = deps;
  }

  /** True: this instance holds it now. Throws StoreUnavailable. */
  acquire(): Promise<boolean> {
    this.#acquiring ??= this.#acquire().finally(() => {
      this.#acquiring = undefined;
    });
    return this.#acquiring;
  }

  async #acquire(): Promise<boolean> {
    const { leases, clock, instance } = this.#deps;
    const now = clock.monotonic();
    // A live holder finds what was parked meanwhile by itself.
    if (this.#seen !== undefined && now - this.#lookedAt < LOOK_EVERY_MS) return false;
    this.#lookedAt = now;
    const stored = await leases.read();
    if (stored?.value.holder != null) {
      if (this.#seen?.etag !== stored.etag) {
        this.#seen = { etag: stored.etag, since: now };
        return false;
      }
      if (now - this.#seen.since < LEASE_MS) return false;
    }
    this.#renewals = (stored?.value.renewals ?? 0) + 1;
    const written = await leases.write({ holder: instance, renewals: this.#renewals }, stored?.etag);
    if (written.kind === "superseded") return false;
    this.#seen = undefined;
    this.#etag = written.etag;
    this.#renewedAt = now;
    return true;
  }

  /** False: it is another's now. However late it comes, it is still its own where no other has written. Throws StoreUnavailable. */
  async renew(): Promise<boolean> {
    const { leases, clock, instance } = this.#deps;
    const since = clock.monotonic() - this.#renewedAt;
    if (since < RENEW_EVERY_MS) return true;
    const now = clock.monotonic();
    const renewals = this.#renewals + 1;
    const written = await leases.write({ holder: instance, renewals }, this.#etag);
    if (written.kind === "superseded") return this.#isOwn(renewals, now);
    this.#keep(renewals, written.etag, now);
    return true;
  }

  /** A renewal whose answer was lost may have been made. */
  async #isOwn(renewals: number, now: number): Promise<boolean> {
    const stored = await this.#deps.leases.read();
    if (stored?.value.holder !== this.#deps.instance || stored.value.renewals > renewals) return false;
    this.#keep(stored.value.renewals, stored.etag, now);
    return true;
  }

  #keep(renewals: number, etag: string, now: number): void {
    this.#renewals = renewals;
    this.#etag = etag;
    this.#renewedAt = now;
  }

  async release(): Promise<void> {
    this.#renewals++;
    await this.#deps.leases.write({ holder: null, renewals: this.#renewals }, this.#etag);
    this.#seen = undefined;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }
}
