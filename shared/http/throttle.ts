import { Problem, type ProblemCode } from "../errors.ts";
import type { HeldCalls } from "../job/intake/held-call.ts";
import { MAX_UNKNOWN_CALLERS, PARSED_BYTES_PER_BYTE, TURNED_AWAY_LOG_EVERY_MS } from "../limits.ts";
import type { Log } from "../log.ts";
import { mayTake, ONE_HALF, THREE_QUARTERS } from "../part.ts";
import type { Tenant } from "../tenant/tenants.ts";
import { type Bucket, type BucketLimits, takeToken } from "../tenant/token-bucket.ts";
import type { Visit } from "./route.ts";

export interface ThrottleDeps {
  /** Requests of tenants that this instance works on at once. */
  readonly maxInFlight: number;
  /** Calls that this instance holds until a job's end, besides. */
  readonly maxHeld: number;
  /** Memory for what bodies are parsed into. */
  readonly maxBodyBytes: number;
  /** For a tenant whose `limits` say nothing; 0: no limit. */
  readonly submitsPerSecond: number;
  readonly clock: { monotonic(): number };
}

/**
 * Turns away what is too much, before anything is read, stored or sent. Each instance counts for itself: asking the
 * others first would take longer than the work it refuses. Only counts are remembered, so it recovers at once. Of
 * everything a tenant has a part, which leaves something to others. A held call is not work: while it waits, it does not
 * count as a request in flight.
 */
export interface Throttle extends HeldCalls {
  /** Lets in a request whose caller is not known yet; the function returned must be called once it is. @throws Problem service_busy */
  enterUnknown(log: Log): () => void;
  /** Lets in a tenant's request; the function returned must be called once it has been answered. @throws Problem too_many_requests */
  enter(tenant: Tenant, log: Log): () => void;
  /** A body of so many bytes is about to be parsed; the function returned must be called once what it was parsed into is gone. @throws Problem service_busy */
  takeBody(tenant: Tenant, bytes: number, log: Log): () => void;
  /** A tenant's request only waits until what it began can be left alone: until the function returned is called, it counts as none. */
  goesOn(tenant: Pick<Tenant, "id">): () => void;
  /** @throws Problem too_many_requests */
  submit(tenant: Tenant, log: Log): void;
  /** A question that costs the more the more there is, one at a time; the function returned must be called once it is answered. @throws Problem too_many_requests */
  ask(tenant: Tenant, log: Log): () => void;
}

/** Requests take tens of milliseconds, but clients that all came back at once would be too many again. */
const SOON_SECONDS = 1;

export function createThrottle(deps: ThrottleDeps): Throttle {
  const { maxInFlight, maxHeld, maxBodyBytes, clock } = deps;
  const buckets = new Map<string, Bucket>();
  const inFlight = new Shares();
  const bodies = new Shares();
  const asking = new Set<string>();
  let unknown = 0;
  const held = new HeldWaits();
  const refuse = refusals(clock);
  return {
    enterUnknown(log) {
      if (unknown >= MAX_UNKNOWN_CALLERS) {
        const detail = `${unknown} requests wait until it is known who calls.`;
        throw refuse(log, "service_busy", detail, SOON_SECONDS, "unknown_callers", null);
      }
      unknown++;
      return () => {
        unknown--;
      };
    },
    enter({ id }, log) {
      const free = maxInFlight - inFlight.all;
      if (free < 1) {
        const detail = "This instance is as busy as it can be.";
        throw refuse(log, "too_many_requests", detail, SOON_SECONDS, "in_flight", null);
      }
      const mine = inFlight.of(id);
      if (!mayTake(1, mine, free, THREE_QUARTERS)) {
        const detail = `${id} has ${mine} requests in flight on this instance; the rest is for others.`;
        throw refuse(log, "too_many_requests", detail, SOON_SECONDS, "tenant_in_flight", id);
      }
      return inFlight.take(id, 1);
    },
    takeBody({ id }, bytes, log) {
      const memory = bytes * PARSED_BYTES_PER_BYTE;
      if (mayTake(memory, bodies.of(id), maxBodyBytes - bodies.all, ONE_HALF)) return bodies.take(id, memory);
      const detail = "As many bytes of requests are being read as this instance can hold.";
      throw refuse(log, "service_busy", detail, SOON_SECONDS, "bodies", id);
    },
    goesOn: ({ id }) => inFlight.lend(id),
    submit(tenant, log) {
      const limits = limitsOf(tenant, deps.submitsPerSecond);
      if (limits === undefined) return;
      const taken = takeToken(buckets.get(tenant.id), limits, clock.monotonic());
      buckets.set(tenant.id, taken.bucket);
      if (taken.taken) return;
      const detail = `${tenant.id} may submit ${limits.perSecond} jobs a second, ${limits.burst} at once.`;
      throw refuse(log, "too_many_requests", detail, Math.ceil(taken.waitMs / 1000), "submits", tenant.id);
    },
    ask({ id }, log) {
      if (asking.has(id)) {
        const detail = `Another question of ${id} is being answered.`;
        throw refuse(log, "too_many_requests", detail, SOON_SECONDS, "questions", id);
      }
      asking.add(id);
      return () => void asking.delete(id);
    },
    beginWait({ id }, endEarly) {
      const free = maxHeld - held.size;
      if (free < 1) held.endOne();
      else if (!mayTake(1, held.of(id), free, THREE_QUARTERS)) held.endOne(id);
      const leave = held.add(id, endEarly);
      const back = inFlight.lend(id);
      return () => {
        leave();
        back();
      };
    },
  };
}

/** What tenants have of something, and all together. */
class Shares {
  readonly #byTenant = new Map<string, number>();
  all = 0;

  of(id: string): number {
    return this.#byTenant.get(id) ?? 0;
  }

  /** The function returned gives it back. */
  take(id: string, amount: number): () => void {
    this.#add(id, amount);
    return () => this.#add(id, -amount);
  }

  /** One of it is not used for a while, until the function returned is called: there is nothing to refuse that for. */
  lend(id: string): () => void {
    return this.take(id, -1);
  }

  #add(id: string, amount: number): void {
    this.all += amount;
    const mine = this.of(id) + amount;
    if (mine === 0) this.#byTenant.delete(id);
    else this.#byTenant.set(id, mine);
  }
}

/** Calls that wait, by tenant, the longest first. */
class HeldWaits {
  readonly #byTenant = new Map<string, Set<() => void>>();
  size = 0;

  of(tenant: string): number {
    return this.#byTenant.get(tenant)?.size ?? 0;
  }

  add(tenant: string, endEarly: () => void): () => void {
    const mine = this.#byTenant.get(tenant) ?? new Set();
    this.#byTenant.set(tenant, mine.add(endEarly));
    this.size++;
    return () => this.#remove(tenant, mine, endEarly);
  }

  /** The one that has waited longest, of that tenant or the one that holds most: a new one waits in its place. */
  endOne(tenant = this.#mostOf()): void {
    const mine = this.#byTenant.get(tenant);
    const [longest] = mine ?? [];
    if (mine === undefined || longest === undefined) return;
    this.#remove(tenant, mine, longest);
    longest();
  }

  #mostOf(): string {
    return [...this.#byTenant].sort(([, a], [, b]) => b.size - a.size)[0]?.[0] ?? "";
  }

  #remove(tenant: string, mine: Set<() => void>, endEarly: () => void): void {
    if (!mine.delete(endEarly)) return;
    this.size--;
    if (mine.size === 0) this.#byTenant.delete(tenant);
  }
}

/** What a throttle counts waits with, where a client that leaves ends its own. */
export function heldCallsOf(throttle: HeldCalls, { onLeft }: Pick<Visit, "onLeft">): HeldCalls {
  return {
    beginWait(tenant, endEarly) {
      const endWait = throttle.beginWait(tenant, endEarly);
      const forget = onLeft?.(endEarly);
      return () => {
        forget?.();
        endWait();
      };
    },
  };
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
    code: ProblemCode,
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
    return new Problem(code, detail, { retryAfterSeconds });
  };
}
