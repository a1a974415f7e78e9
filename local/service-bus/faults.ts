import type { Clock } from "../clock.ts";
import type { AmqpError } from "./errors.ts";
import {
  type FaultEffect,
  type FaultOperation,
  type FaultPlan,
  type FaultRule,
  NO_FAULTS,
} from "./fault-plan.ts";

/** How an operation is done, or kept from being done. */
export interface Act {
  /** Does it; `silent`: stores it, and breaks the connection instead of answering. */
  readonly proceed: (silent: boolean) => void;
  readonly refuse: (error: AmqpError) => void;
  /** Breaks the connection. */
  readonly drop: () => void;
  /** Lets the lock run out, then does it. Operations without a lock ignore that effect. */
  readonly expireLock?: () => void;
}

interface ActiveRule {
  readonly rule: FaultRule;
  seen: number;
  hits: number;
}

/** The faults in force. */
export class Faults {
  readonly #clock: Clock;
  #rules: ActiveRule[] = [];
  #random: () => number = () => 1;
  injected = 0;

  constructor(clock: Clock, plan: FaultPlan = NO_FAULTS) {
    this.#clock = clock;
    this.set(plan);
  }

  /** False while there is nothing to look at: the usual path asks this alone. */
  get active(): boolean {
    return this.#rules.length > 0;
  }

  set(plan: FaultPlan): void {
    this.#rules = plan.rules.map((rule) => ({ rule, seen: 0, hits: 0 }));
    this.#random = seeded(plan.seed);
  }

  /** Does an operation, or what the plan has in store for it. */
  apply(operation: FaultOperation, queue: string, act: Act): void {
    const effect = this.#rules.length === 0 ? undefined : this.#next(operation, queue);
    switch (effect?.kind) {
      case undefined:
        act.proceed(false);
        return;
      case "refuse":
        act.refuse({
          condition: effect.condition,
          description: effect.description ?? `Injected: ${effect.condition}.`,
        });
        return;
      case "delay":
        this.#clock.after(effect.ms, () => act.proceed(false));
        return;
      case "drop":
        if (effect.when === "before") act.drop();
        else act.proceed(true);
        return;
      case "expireLock":
        if (act.expireLock === undefined) act.proceed(false);
        else act.expireLock();
        return;
    }
  }

  #next(operation: FaultOperation, queue: string): FaultEffect | undefined {
    for (const active of this.#rules) {
      const { rule } = active;
      if (rule.operation !== "any" && rule.operation !== operation) continue;
      if (rule.queue !== undefined && rule.queue.toLowerCase() !== queue.toLowerCase()) continue;
      if (active.seen++ < (rule.skip ?? 0)) continue;
      if (active.hits >= (rule.count ?? Number.POSITIVE_INFINITY)) continue;
      if (this.#random() >= (rule.probability ?? 1)) continue;
      active.hits++;
      this.injected++;
      return rule.effect;
    }
    return undefined;
  }
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
