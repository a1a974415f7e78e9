import { type Sizes, tokensAtMost } from "./most-tokens.ts";
import type { Outcome } from "./outcome.ts";
import type { RequestAsk } from "./request-ask.ts";
import type { Usage } from "./usage.ts";

/**
 * Labs and relays put words of their own before a prompt, and end an answer with tokens that they count. Where the
 * catalogue does not tell a deployment's context, it is not known what is behind its door.
 */
const MOST_OWN_PROMPT_TOKENS = 4_000;
const MOST_UNKNOWN_PROMPT_TOKENS = 1_000_000;
const MOST_OWN_OUTPUT_TOKENS = 100;

/**
 * The outcome of a call, its usage unknown where the lab's figures are more than this request can have used of that
 * deployment. The lab's own object stays.
 */
export function plausible(
  outcome: Outcome,
  ask: RequestAsk,
  deployment: Sizes,
): { readonly outcome: Outcome; readonly implausible: Usage | null } {
  const usage = "usage" in outcome ? outcome.usage : null;
  if (!("usage" in outcome) || usage === null || isPlausible(usage, ask, deployment))
    return { outcome, implausible: null };
  const raw = usage.raw === undefined ? {} : { raw: usage.raw };
  const unknown = { input_tokens: null, output_tokens: null, total_tokens: null, ...raw };
  return { outcome: { ...outcome, usage: unknown }, implausible: usage };
}

function isPlausible(usage: Usage, ask: RequestAsk, deployment: Sizes): boolean {
  const most = tokensAtMost(ask, deployment);
  const { input_tokens: input, output_tokens: output, total_tokens: total } = usage;
  const reasoning = Math.min(usage.reasoning_tokens ?? 0, output ?? 0);
  // Some labs hold their limit to the text alone, and reason as long as the deployment lets them.
  const unlimited = { ...ask, tokens: { ...ask.tokens, outputTokensAsked: null } };
  const mostReasoned = Math.max(most.output, tokensAtMost(unlimited, deployment).output);
  const ownWords =
    deployment.context_tokens === undefined ? MOST_UNKNOWN_PROMPT_TOKENS : MOST_OWN_PROMPT_TOKENS;
  return (
    (input ?? 0) <= most.input + ownWords &&
    (output ?? 0) - reasoning <= most.output + MOST_OWN_OUTPUT_TOKENS &&
    (output ?? 0) <= mostReasoned + MOST_OWN_OUTPUT_TOKENS &&
    (total ?? 0) <= most.input + mostReasoned + ownWords + MOST_OWN_OUTPUT_TOKENS
  );
}
