import type { Clock } from "../clock.ts";
import { mayTake, ONE_HALF } from "../part.ts";

/** Deliveries under way on one instance, all together. */
const MOST_SLOTS = 256;
/** … to an endpoint that answers in time, and to one whose last try did not. */
const SLOTS = 16;
const SLOTS_OF_SLOW = 1;
/** For so long a delivery waits in memory for a slot of an endpoint that answers in time. */
const MAX_WAIT_MS = 2_000;
const MAX_WAITING = 512;
/** Slow endpoints remembered. */
const MOST_REMEMBERED = 10_000;

type Leave = (inTime: boolean) => void;

interface Use {
  sending: number;
  isSlow: boolean;
  readonly waiting: Set<(hasSlot: boolean) => void>;
}

/**
 * Keeps endpoints and tenants apart: one that does not answer holds its own slots, and nobody else's. A tenant may have
 * more than others as long as it leaves as much free.
 */
export class Slots {
  readonly #clock: Pick<Clock, "after">;
  readonly #endpoints = new Map<string, Use>();
  readonly #tenants = new Map<string, number>();
  #all = 0;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  /**
   * A slot, perhaps after a moment; undefined: there is none now. What is returned gives it back, and says whether the
   * endpoint answered in time.
   */
  async enter(tenant: string, endpoint: string): Promise<Leave | undefined> {
    const use = this.#useOf(endpoint);
    if (use.waiting.size > 0 || !this.#mayTake(tenant, use)) {
      if (use.isSlow || use.waiting.size >= MAX_WAITING || !(await this.#turn(use))) return undefined;
    } else this.#count(tenant, use, 1);
    return (inTime) => this.#leave(tenant, endpoint, use, inTime);
  }

  #mayTake(tenant: string, { sending, isSlow }: Use): boolean {
    const mine = this.#tenants.get(tenant) ?? 0;
    return sending < (isSlow ? SLOTS_OF_SLOW : SLOTS) && mayTake(1, mine, MOST_SLOTS - this.#all, ONE_HALF);
  }

  #count(tenant: string, use: Use, by: 1 | -1): void {
    use.sending += by;
    this.#all += by;
    const mine = (this.#tenants.get(tenant) ?? 0) + by;
    if (mine === 0) this.#tenants.delete(tenant);
    else this.#tenants.set(tenant, mine);
  }

  /** Whether a slot was taken for it in time. */
  #turn(use: Use): Promise<boolean> {
    return new Promise((resolve) => {
      const go = (hasSlot: boolean) => {
        use.waiting.delete(go);
        cancel();
        resolve(hasSlot);
      };
      const cancel = this.#clock.after(MAX_WAIT_MS, () => go(false));
      use.waiting.add(go);
    });
  }

  #leave(tenant: string, endpoint: string, use: Use, inTime: boolean): void {
    this.#count(tenant, use, -1);
    use.isSlow = !inTime;
    for (const go of [...use.waiting]) {
      // Nobody waits for one that is slow.
      if (use.isSlow) go(false);
      else if (this.#mayTake(tenant, use)) {
        this.#count(tenant, use, 1);
        go(true);
      } else break;
    }
    if (use.sending === 0 && use.waiting.size === 0 && !use.isSlow) this.#endpoints.delete(endpoint);
  }

  #useOf(endpoint: string): Use {
    const known = this.#endpoints.get(endpoint);
    if (known !== undefined) return known;
    for (const [oldest, { sending, waiting }] of this.#endpoints) {
      if (this.#endpoints.size < MOST_REMEMBERED) break;
      if (sending === 0 && waiting.size === 0) this.#endpoints.delete(oldest);
    }
    const use: Use = { sending: 0, isSlow: false, waiting: new Set() };
    this.#endpoints.set(endpoint, use);
    return use;
  }
}
