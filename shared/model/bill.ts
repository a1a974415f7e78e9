import { type Bill, billOf } from "./cost.ts";
import { billedOf, type Outcome } from "./outcome.ts";
import type { Price } from "./price.ts";

/** What a call costs: known, unknown and why, or nothing; a call that certainly is not billed has neither. */
export function billOfCall(outcome: Outcome, price: Price): Bill | undefined {
  const billed = billedOf(outcome);
  if (billed === "no") return undefined;
  if ("usage" in outcome && outcome.usage !== null)
    return billOf(outcome.usage, price, outcome.answeredMs ?? 0);
  return { unknown: outcome.answeredMs === undefined ? "no_answer" : "usage_not_reported" };
}
