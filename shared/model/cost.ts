import { DECIMALS, decimalOf, unitsOf } from "../decimal.ts";
import type { Usage } from "./usage.ts";

/** Money as a decimal string, exact: never a binary fraction. */
export interface Cost {
  readonly amount: string;
  /** ISO 4217. */
  readonly currency: string;
}

/** Prices in `currency` for a million tokens. */
export interface Price {
  readonly currency: string;
  readonly input_per_million: number;
  readonly output_per_million: number;
}

const MILLION_DECIMALS = 6;

/** What a call costs. Reasoning tokens are output tokens; so is their price. */
export function costOf(usage: Usage, price: Price): Cost {
  const inputUnits = BigInt(usage.input_tokens) * unitsOf(price.input_per_million);
  const outputUnits = BigInt(usage.output_tokens) * unitsOf(price.output_per_million);
  // unitsOf is per million tokens: dividing by a million is moving the point.
  return {
    amount: decimalOf(inputUnits + outputUnits, DECIMALS + MILLION_DECIMALS),
    currency: price.currency,
  };
}

/**
 * The sum of two costs; null stands for one that is not known.
 * @throws RangeError for two currencies: the catalogue allows one for all deployments of a route
 */
export function addCosts(a: Cost | null, b: Cost | null): Cost | null {
  if (a === null || b === null) return a ?? b;
  if (a.currency !== b.currency) throw new RangeError(`costs in ${a.currency} and ${b.currency} have no sum`);
  return { amount: decimalOf(unitsOf(a.amount) + unitsOf(b.amount), DECIMALS), currency: a.currency };
}
