import { decimalOf, unitsOf } from "../../../decimal.ts";
import type { Cost } from "../../cost.ts";
import { at, field } from "../json.ts";

/** xAI counts in ten-thousand-millionths of a dollar. */
const TICK_DECIMALS = 10;
/** No call costs more: a larger figure is none. */
const MAX_DOLLARS = 1_000_000;

/** What the lab says the call costs: xAI's `cost_in_usd_ticks`, `cost` of OpenRouter, `cost.total_cost` of Perplexity. */
export function labCostOf(answer: unknown): Cost | undefined {
  const usage = field(answer, "usage");
  const ticks = field(usage, "cost_in_usd_ticks");
  if (
    typeof ticks === "number" &&
    Number.isSafeInteger(ticks) &&
    ticks >= 0 &&
    ticks <= MAX_DOLLARS * 10 ** TICK_DECIMALS
  )
    return dollars(decimalOf(BigInt(ticks), TICK_DECIMALS));
  const cost = at(usage, "cost", "total_cost") ?? field(usage, "cost");
  return typeof cost === "number" && cost >= 0 && cost <= MAX_DOLLARS
    ? dollars(decimalOf(unitsOf(cost)))
    : undefined;
}

function dollars(amount: string): Cost {
  return { amount, currency: "USD" };
}
