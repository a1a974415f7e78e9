import type { RequestAsk } from "./request-ask.ts";

/** What a catalogue says of a deployment's size. */
export interface Sizes {
  readonly context_tokens?: number | undefined;
  readonly max_output_tokens?: number | undefined;
}

/** Of a prompt or an answer that neither body nor catalogue limits: no model there is takes or gives more. */
const MOST_PROMPT_TOKENS = 10_000_000;
const MOST_OUTPUT_TOKENS = 131_072;

/** The longest prompt and the longest output, all answers together, that a call can be billed for. */
export function tokensAtMost(
  { tokens, promptTokensAtMost }: Pick<RequestAsk, "tokens" | "promptTokensAtMost">,
  { context_tokens: context = Infinity, max_output_tokens: longest }: Sizes,
): { readonly input: number; readonly output: number } {
  // Inputs to be embedded have each a context of their own.
  const mostPrompt = tokens.answers === 0 ? MOST_PROMPT_TOKENS : Math.min(context, MOST_PROMPT_TOKENS);
  return {
    input: Math.min(promptTokensAtMost ?? mostPrompt, mostPrompt),
    output: (tokens.outputTokensAsked ?? longest ?? Math.min(context, MOST_OUTPUT_TOKENS)) * tokens.answers,
  };
}
