import type { Clock } from "../clock.ts";
import { FaultDealer } from "../faults.ts";
import type { Answer } from "./answers.ts";
import { CosmosError } from "./cosmos-error.ts";
import { type CosmosFaultPlan, type CosmosFaultRule, type FaultEffect, READS } from "./fault-plan.ts";
import { type Operations, operationOf } from "./operations.ts";
import type { CosmosRequest } from "./request.ts";

/** Operations, with the faults that are asked for. */
export class FaultyOperations {
  readonly #operations: Operations;
  readonly #clock: Clock;
  readonly #keepHistory: (keep: boolean) => void;
  readonly #dealer = new FaultDealer<CosmosFaultRule>();
  /** Resolves once another plan is set. */
  #replaced = Promise.withResolvers<void>();

  /** `keepHistory`: called when stale reads begin, and when they end. */
  constructor(operations: Operations, clock: Clock, keepHistory: (keep: boolean) => void) {
    this.#operations = operations;
    this.#clock = clock;
    this.#keepHistory = keepHistory;
  }

  get injected(): number {
    return this.#dealer.injected;
  }

  set(plan: CosmosFaultPlan): void {
    this.#dealer.set(plan);
    this.#replaced.resolve();
    this.#replaced = Promise.withResolvers();
    this.#keepHistory(plan.rules.some((rule) => rule.effect.kind === "stale"));
  }

  /** Undefined: the connection is to be broken. @throws CosmosError */
  async run(request: CosmosRequest): Promise<Answer | undefined> {
    const effect = this.#dealer.active ? this.#effect(request) : undefined;
    switch (effect?.kind) {
      case undefined:
        return this.#operations.run(request);
      case "refuse":
        throw new CosmosError(effect.status, "A fault was asked for.", {
          substatus: effect.substatus,
          retryAfterMs: effect.retry_after_ms,
        });
      case "stale":
        return this.#operations.run(request, effect);
      case "delay":
      case "hold": {
        const over = () => (effect.kind === "hold" ? this.#replaced.promise : this.#turned(effect.ms));
        if (effect.when !== "after") await over();
        const answered = this.#operations.run(request);
        if (effect.when === "after") await Promise.all([answered, over()]);
        return answered;
      }
      case "drop":
        if (effect.when === "after") await this.#operations.run(request);
        return undefined;
    }
  }

  #turned(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }

  #effect(request: CosmosRequest): FaultEffect | undefined {
    const operation = operationOf(request);
    if (operation === undefined) return undefined;
    const applies = ({ container, effect }: CosmosFaultRule) =>
      (container === undefined || container === request.route.container) &&
      (effect.kind !== "stale" || READS.has(operation));
    return this.#dealer.next(operation, applies)?.effect;
  }
}
