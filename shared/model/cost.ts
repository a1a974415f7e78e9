import { DECIMALS, decimalOf, unitsOf } from "../decimal.ts";
import { dearestRates, type Price, type Rates, ratesOf } from "./price.ts";
import type { Usage } from "./usage.ts";

/** Money as a decimal string, exact: never a binary fraction. */
export interface Cost {
  readonly amount: string;
  /** ISO 4217. */
  readonly currency: string;
}

/** Why nobody can say what a call cost; some with what is missing after a colon. */
export type CostUnknown =
  /** It was sent, and no answer came that tells: time-out, broken connection, aborted, too large. */
  | "no_answer"
  /** The answer does not say what it used. */
  | "usage_not_reported"
  /** A count is missing, or the counts cannot be true. */
  | "usage_incomplete"
  /** The catalogue has no price for a kind of token, or for the tier that served the call. */
  | `price_missing: ${string}`
  /** The worker was lost during the call. */
  | "worker_lost";

export type Bill = { readonly cost: Cost } | { readonly unknown: CostUnknown };

const MILLION_DECIMALS = 6;

/** So many tokens, and what a million of them costs. */
type Part = readonly [count: number, rate: number];

function sumOf(parts: readonly Part[], currency: string): Cost {
  let units = 0n;
  for (const [count, rate] of parts) if (count > 0) units += BigInt(count) * unitsOf(rate);
  // unitsOf is per million tokens: dividing by a million is moving the point.
  return { amount: decimalOf(units, DECIMALS + MILLION_DECIMALS), currency };
}

/**
 * What a call costs by the catalogue. Reasoning tokens are output tokens; so is their price.
 * @param atMs when its answer came
 */
export function billOf(usage: Usage, price: Price, atMs: number): Bill {
  const { input_tokens: input, output_tokens: output, service_tier: serviceTier } = usage;
  if (input === null || output === null) return { unknown: "usage_incomplete" };
  const rates = ratesOf(price, { inputTokens: input, atMs, serviceTier });
  if (rates === undefined) return { unknown: `price_missing: service tier ${serviceTier}` };
  const audioIn = usage.audio_input_tokens ?? 0;
  const audioOut = usage.audio_output_tokens ?? 0;
  // Speech is billed at many times the price of text: without its own price any figure would be wrong.
  if (audioIn > 0 && rates.audio_input_per_million === undefined)
    return { unknown: "price_missing: audio input" };
  if (audioOut > 0 && rates.audio_output_per_million === undefined)
    return { unknown: "price_missing: audio output" };
  const cached = usage.cached_input_tokens ?? 0;
  const written = usage.cache_write_tokens ?? 0;
  const image = usage.image_input_tokens ?? 0;
  const textIn = input - cached - written - image - audioIn;
  const textOut = output - audioOut;
  if (textIn < 0 || textOut < 0) return { unknown: "usage_incomplete" };
  const { input_per_million: plain } = rates;
  const parts: Part[] = [
    [textIn, plain],
    [cached, rates.cached_input_per_million ?? plain],
    [written, rates.cache_write_per_million ?? plain],
    [image, rates.image_input_per_million ?? plain],
    [audioIn, rates.audio_input_per_million ?? 0],
    [textOut, rates.output_per_million],
    [audioOut, rates.audio_output_per_million ?? 0],
  ];
  return { cost: sumOf(parts, price.currency) };
}

/** What is reckoned for a call before it is made. */
export interface ExpectedTokens {
  readonly input: number;
  readonly output: number;
  /** The service tier that its body asks for. */
  readonly serviceTier: string | undefined;
}

/** What a call would cost now, were its tokens as expected. */
export function costNow({ input, output, serviceTier }: ExpectedTokens, price: Price, nowMs: number): Cost {
  const rates = ratesOf(price, { inputTokens: input, atMs: nowMs, serviceTier }) ?? price;
  return costBy(rates, input, output, price);
}

/** The most that a call may cost, whenever it ends. */
export function costAtMost({ input, output, serviceTier }: ExpectedTokens, price: Price): Cost {
  return costBy(dearestRates(price, input, serviceTier), input, output, price);
}

function costBy(rates: Rates, input: number, output: number, { currency }: Price): Cost {
  return sumOf(
    [
      [input, rates.input_per_million],
      [output, rates.output_per_million],
    ],
    currency,
  );
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
