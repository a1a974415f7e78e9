import { Problem } from "../errors.ts";
import type { HeldCalls } from "../job/intake/held-call.ts";
import { MAX_TENANT_SHARE_IN_FLIGHT, TURNED_AWAY_LOG_EVERY_MS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Tenant } from "../tenant/tenants.ts";
import { type Bucket, type BucketLimits, takeToken } from "../tenant/token-bucket.ts";

export interface ThrottleDeps {
  /** Requests of tenants that this instance works on at once. */
  readonly maxInFlight: number;
  /** Calls that this instance holds until a job's end, besides. */
  readonly maxHeld: number;
  /** For a tenant whose `limits` say nothing; 0: no limit. */
  readonly submitsPerSecond: number;
  readonly clock: { monotonic(): number };
}

/**
 * Turns away what is too much, before anything is read, stored or sent. Each instance counts for itself: asking the
 * others first would take longer than the work it refuses. Only counts are remembered, so it recovers at once. A held
 * call is not work: while it waits, it does not count as a request in flight.
 */
export interface Throttle extends HeldCalls {
  /** Lets a request in; the function returned must be called once it has been answered. @throws Problem too_many_requests */
  enter(log: Log): () => void;
  /** The same for one tenant's share, once it is known who calls. @throws Problem too_many_requests */
  enterAs(tenant: Tenant, log: Log): () => void;
  /** @throws Problem too_many_requests */
  submit(tenant: Tenant, log: Log): void;
}

/** Requests take tens of milliseconds, but clients that all came back at once would be too many again. */
const IN_FLIGHT_RETRY_AFTER_SECONDS = 1;

export function createThrottle(deps: ThrottleDeps): Throttle {
  const { maxInFlight, maxHeld, clock } = deps;
  const maxOfTenant = Math.max(1, Math.floor(maxInFlight * MAX_TENANT_SHARE_IN_FLIGHT));
  const buckets = new Map<string, Bucket>();
  const byTenant = new Map<string, number>();
  const count = (id: string, change: 1 | -1) => {
    const mine = (byTenant.get(id) ?? 0) + change;
    if (mine === 0) byTenant.delete(id);
    else byTenant.set(id, mine);
  };
  let inFlight = 0;
  const held = new HeldWaits();
  const refuse = refusals(clock);
  return {
    enter(log) {
      if (inFlight >= maxInFlight) {
        throw refuse(
          log,
          "This instance is as busy as it can be.",
          IN_FLIGHT_RETRY_AFTER_SECONDS,
          "in_flight",
          null,
        );
      }
      inFlight++;
      return () => {
        inFlight--;
      };
    },
    enterAs({ id }, log) {
      const mine = byTenant.get(id) ?? 0;
      if (mine >= maxOfTenant) {
        const detail = `${id} has ${mine} requests in flight on this instance; the rest is for others.`;
        throw refuse(log, detail, IN_FLIGHT_RETRY_AFTER_SECONDS, "tenant_in_flight", id);
      }
      count(id, 1);
      return () => count(id, -1);
    },
    submit(tenant, log) {
      const limits = limitsOf(tenant, deps.submitsPerSecond);
      if (limits === undefined) return;
      const taken = takeToken(buckets.get(tenant.id), limits, clock.monotonic());
      buckets.set(tenant.id, taken.bucket);
      if (taken.taken) return;
      const detail = `${tenant.id} may submit ${limits.perSecond} jobs a second, ${limits.burst} at once.`;
      throw refuse(log, detail, Math.ceil(taken.waitMs / 1000), "submits", tenant.id);
    },
    beginWait({ id }, endEarly) {
      if (held.size >= maxHeld) held.endOne();
      const leave = held.add(id, endEarly);
      inFlight--;
      count(id, -1);
      return () => {
        leave();
        // Only the answer is left to write: nothing to refuse it for.
        inFlight++;
        count(id, 1);
      };
    },
  };
}

/** Calls that wait, by tenant, the longest first. */
class HeldWaits {
  readonly #byTenant = new Map<string, Set<() => void>>();
  size = 0;

  add(tenant: string, endEarly: () => void): () => void {
    const mine = this.#byTenant.get(tenant) ?? new Set();
    this.#byTenant.set(tenant, mine.add(endEarly));
    this.size++;
    return () => this.#remove(tenant, mine, endEarly);
  }

  /** The one that has waited longest, of the tenant that holds most: a new one waits in its place. */
  endOne(): void {
    const [most] = [...this.#byTenant].sort(([, a], [, b]) => b.size - a.size);
    const [longest] = most?.[1] ?? [];
    if (most === undefined || longest === undefined) return;
    this.#remove(...most, longest);
    longest();
  }

  #remove(tenant: string, mine: Set<() => void>, endEarly: () => void): void {
    if (!mine.delete(endEarly)) return;
    this.size--;
    if (mine.size === 0) this.#byTenant.delete(tenant);
  }
}

/** Undefined: no limit. Without a burst, a second's worth. */
export function limitsOf(tenant: Pick<Tenant, "limits">, submitsPerSecond: number): BucketLimits | undefined {
  const perSecond = tenant.limits?.submits_per_second ?? submitsPerSecond;
  if (perSecond === 0) return undefined;
  return { perSecond, burst: tenant.limits?.burst ?? Math.max(1, Math.ceil(perSecond)) };
}

/** A log line for each refusal would be one more load: refusals are counted, and logged now and then. */
function refusals(clock: { monotonic(): number }) {
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  let unlogged = 0;
  return (
    log: Log,
    detail: string,
    retryAfterSeconds: number,
    limit: string,
    tenant: string | null,
  ): Problem => {
    unlogged++;
    const nowMs = clock.monotonic();
    if (nowMs - loggedAtMs >= TURNED_AWAY_LOG_EVERY_MS) {
      log.warn("requests_turned_away", { limit, tenant, refused: unlogged });
      loggedAtMs = nowMs;
      unlogged = 0;
    }
    return new Problem("too_many_requests", detail, { retryAfterSeconds });
  };
}
