import { type Bill, billOf, type Cost, costAtMost } from "./cost.ts";
import { type Sizes, tokensAtMost } from "./most-tokens.ts";
import { billedOf, type Outcome } from "./outcome.ts";
import type { Price } from "./price.ts";
import type { RequestAsk } from "./request-ask.ts";

/** What a call costs: known, unknown and why, or nothing; a call that certainly is not billed has neither. */
export function billOfCall(outcome: Outcome, price: Price): Bill | undefined {
  const billed = billedOf(outcome);
  if (billed === "no") return undefined;
  if ("usage" in outcome && outcome.usage !== null)
    return billOf(outcome.usage, price, outcome.answeredMs ?? 0);
  return { unknown: outcome.answeredMs === undefined ? "no_answer" : "usage_not_reported" };
}

/**
 * The most that a call may cost, by the most that it can be billed for.
 * @param answerTokens of each answer, where not the longest is to be reckoned with
 */
export function mostCostOf(
  ask: RequestAsk,
  deployment: Sizes & { readonly price: Price },
  answerTokens?: number,
): Cost {
  const { input, output } = tokensAtMost(ask, deployment);
  const { tokens, serviceTier, capabilities } = ask;
  const said = answerTokens === undefined ? output : Math.min(output, answerTokens * tokens.answers);
  return costAtMost({ input, output: said, serviceTier }, deployment.price, capabilities.has("audio"));
}
