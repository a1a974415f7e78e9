import {
  type FaultRule as AnyRule,
  checkDelay,
  checkedPlan,
  checkWhen,
  type Need,
  type FaultPlan as Plan,
} from "../faults.ts";

/** Faults to order: plain data, so that a test, a file or an HTTP request can carry them. */
export const FAULT_OPERATIONS = [
  "send",
  "receive",
  "complete",
  "abandon",
  "defer",
  "deadLetter",
  "schedule",
  "cancel",
  "peek",
  "renew",
  "attach",
] as const;
export type FaultOperation = (typeof FAULT_OPERATIONS)[number];

export type FaultEffect =
  /** Answered with this error; nothing is done. A `receive` refused closes the link with it. */
  | { readonly kind: "refuse"; readonly condition: string; readonly description?: string }
  /** Done after so long. */
  | { readonly kind: "delay"; readonly ms: number }
  /** The connection breaks, before anything is done or after it is done and stored but not answered. */
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  /** The lock runs out at once: of the message delivered (receive), or of the one to be settled or renewed. */
  | { readonly kind: "expireLock" };

export interface FaultRule extends AnyRule {
  readonly operation: FaultOperation | "any";
  /** Name of a queue; all of them unless said. */
  readonly queue?: string;
  readonly effect: FaultEffect;
}

export type FaultPlan = Plan<FaultRule>;

export const NO_FAULTS: FaultPlan = { seed: 0, rules: [] };
/** A fault plan from JSON. Throws RangeError with every fault of it. */
export function parseFaultPlan(json: unknown): FaultPlan {
  return checkedPlan(json, { operations: FAULT_OPERATIONS, place: "queue", checkEffect }) as FaultPlan;
}

function checkEffect(effect: Record<string, unknown>, _operation: string, need: Need): void {
  const { kind, ms, when, condition } = effect;
  if (kind === "delay") checkDelay(ms, need);
  else if (kind === "drop") checkWhen(when, need);
  else if (kind === "refuse") need(typeof condition === "string", "effect.condition is missing");
  else need(kind === "expireLock", `effect.kind "${kind}" is not known`);
}
