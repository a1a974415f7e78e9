import type { Clock } from "../clock.ts";
import { mayTake, ONE_HALF } from "../part.ts";

/** Deliveries under way on one instance, all together. */
const MOST_SLOTS = 256;
/** … to an endpoint that answers in time, and to one whose last try did not. */
const SLOTS = 16;
const SLOTS_OF_SLOW = 1;
/** Nobody waits for a try that is under way for so long. */
const SLOW_AFTER_MS = 2_000;
/** For so long a delivery waits in memory for a slot of an endpoint that answers in time. */
const MAX_WAIT_MS = 2_000;
const MAX_WAITING = 512;
/** Slow endpoints remembered. */
const MOST_REMEMBERED = 10_000;

type Leave = (inTime: boolean) => void;
interface Try {
  /** On the monotonic clock. */
  readonly sinceMs: number;
}

interface Use {
  /** The oldest first. */
  readonly underWay: Set<Try>;
  /** Its last try was not answered in time. */
  hasMissed: boolean;
  readonly waiting: Set<(given: Try | undefined) => void>;
}

/** Why there is no slot: its endpoint answers, or lets its tries wait. */
export type Occupied = "busy" | "slow";

/**
 * Keeps endpoints and tenants apart: one that does not answer holds its own slots, and nobody else's. A tenant may have
 * more than others as long as it leaves as much free.
 */
export class Slots {
  readonly #clock: Pick<Clock, "after" | "monotonic">;
  readonly #endpoints = new Map<string, Use>();
  readonly #tenants = new Map<string, number>();
  #all = 0;

  constructor(clock: Pick<Clock, "after" | "monotonic">) {
    this.#clock = clock;
  }

  /** A slot, perhaps after a moment. What is returned gives it back, and says whether the endpoint answered in time. */
  async enter(tenant: string, endpoint: string): Promise<Leave | Occupied> {
    const use = this.#useOf(endpoint);
    const mine = await this.#slot(tenant, use);
    if (mine === undefined) return this.#isSlow(use) ? "slow" : "busy";
    return (inTime) => this.#leave(tenant, endpoint, use, mine, inTime);
  }

  #slot(tenant: string, use: Use): Try | undefined | Promise<Try | undefined> {
    if (use.waiting.size === 0 && this.#mayTake(tenant, use)) return this.#take(tenant, use);
    return this.#isSlow(use) || use.waiting.size >= MAX_WAITING ? undefined : this.#turn(use);
  }

  #isSlow({ underWay, hasMissed }: Use): boolean {
    const [oldest] = underWay;
    return (
      hasMissed || this.#clock.monotonic() - (oldest?.sinceMs ?? Number.POSITIVE_INFINITY) >= SLOW_AFTER_MS
    );
  }

  #mayTake(tenant: string, use: Use): boolean {
    const mine = this.#tenants.get(tenant) ?? 0;
    const most = use.hasMissed ? SLOTS_OF_SLOW : SLOTS;
    return use.underWay.size < most && mayTake(1, mine, MOST_SLOTS - this.#all, ONE_HALF);
  }

  #take(tenant: string, use: Use): Try {
    const taken = { sinceMs: this.#clock.monotonic() };
    use.underWay.add(taken);
    this.#all++;
    this.#tenants.set(tenant, (this.#tenants.get(tenant) ?? 0) + 1);
    return taken;
  }

  /** What was taken for it in time. */
  #turn(use: Use): Promise<Try | undefined> {
    return new Promise((resolve) => {
      const go = (given: Try | undefined) => {
        use.waiting.delete(go);
        cancel();
        resolve(given);
      };
      const cancel = this.#clock.after(MAX_WAIT_MS, () => go(undefined));
      use.waiting.add(go);
    });
  }

  #leave(tenant: string, endpoint: string, use: Use, mine: Try, inTime: boolean): void {
    use.underWay.delete(mine);
    this.#all--;
    const left = (this.#tenants.get(tenant) ?? 0) - 1;
    if (left === 0) this.#tenants.delete(tenant);
    else this.#tenants.set(tenant, left);
    use.hasMissed = !inTime;
    for (const go of [...use.waiting]) {
      // Nobody waits for one that is slow.
      if (this.#isSlow(use)) go(undefined);
      else if (this.#mayTake(tenant, use)) go(this.#take(tenant, use));
      else break;
    }
    if (use.underWay.size === 0 && use.waiting.size === 0 && inTime) this.#endpoints.delete(endpoint);
  }

  #useOf(endpoint: string): Use {
    const known = this.#endpoints.get(endpoint);
    if (known !== undefined) return known;
    for (const [oldest, { underWay, waiting }] of this.#endpoints) {
      if (this.#endpoints.size < MOST_REMEMBERED) break;
      if (underWay.size === 0 && waiting.size === 0) this.#endpoints.delete(oldest);
    }
    const use: Use = { underWay: new Set(), hasMissed: false, waiting: new Set() };
    this.#endpoints.set(endpoint, use);
    return use;
  }
}
