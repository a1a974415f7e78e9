/** What a request may use, reckoned before it is sent. Estimated, not counted: tokenizers differ by lab. */
export interface TokenEstimate {
  readonly promptTokens: number;
  /** The limit the body sets on one answer; null: it sets none. */
  readonly outputTokensAsked: number | null;
  /** Answers asked for, at least 1; 0 for an endpoint that gives no text. */
  readonly answers: number;
}

/** Reckoned for an answer whose length neither body nor catalogue limits; Azure's own figure is not published. */
export const DEFAULT_OUTPUT_TOKENS = 1_000;

/**
 * The most a call may use by Azure's rule of admission: the prompt's estimate and the longest answer, times the
 * answers asked for.
 * @param maxOutputTokens of the deployment, where the catalogue tells it
 */
export function admissionTokens(estimate: TokenEstimate, maxOutputTokens?: number): number {
  const unlimited = Math.min(DEFAULT_OUTPUT_TOKENS, maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS);
  return estimate.promptTokens + (estimate.outputTokensAsked ?? unlimited) * estimate.answers;
}
