import type { Clock } from "../clock.ts";
import { FaultDealer } from "../faults.ts";
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

/** The faults in force. */
export class Faults {
  readonly #clock: Clock;
  readonly #dealer = new FaultDealer<FaultRule>();

  constructor(clock: Clock, plan: FaultPlan = NO_FAULTS) {
    this.#clock = clock;
    this.set(plan);
  }

  /** False while there is nothing to look at: the usual path asks this alone. */
  get active(): boolean {
    return this.#dealer.active;
  }

  get injected(): number {
    return this.#dealer.injected;
  }

  set(plan: FaultPlan): void {
    this.#dealer.set(plan);
  }

  /** Does an operation, or what the plan has in store for it. */
  apply(operation: FaultOperation, queue: string, act: Act): void {
    const effect = this.#dealer.active ? this.#next(operation, queue) : undefined;
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
    const here = (rule: FaultRule) =>
      rule.queue === undefined || rule.queue.toLowerCase() === queue.toLowerCase();
    return this.#dealer.next(operation, here)?.effect;
  }
}
