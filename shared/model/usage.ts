/**
 * Tokens of a call, in one shape for all labs and endpoints. A count that the lab did not tell, or told wrong, is null:
 * never a guess. The kinds below the three sums are parts of them; one that is absent was not told.
 */
export interface Usage {
  /** All that was read, the parts below included. */
  readonly input_tokens: number | null;
  /** All that is billed as output, reasoning included. */
  readonly output_tokens: number | null;
  readonly total_tokens: number | null;
  /** Parts of the input: read from the lab's cache, and written to it. */
  readonly cached_input_tokens?: number;
  readonly cache_write_tokens?: number;
  readonly audio_input_tokens?: number;
  readonly image_input_tokens?: number;
  /** Parts of the output. */
  readonly audio_output_tokens?: number;
  readonly reasoning_tokens?: number;
  /** The tier that served the call, where it is not the ordinary one. */
  readonly service_tier?: string;
  /** The lab's own object, where it is small enough to be stored with each call. */
  readonly raw?: RawUsage;
}

export type RawUsage = { readonly [name: string]: unknown };

/** The parts of the three sums. */
export const TOKEN_PARTS = [
  "cached_input_tokens",
  "cache_write_tokens",
  "audio_input_tokens",
  "image_input_tokens",
  "audio_output_tokens",
  "reasoning_tokens",
] as const;
export type TokenPart = (typeof TOKEN_PARTS)[number];

/** Tokens that are reckoned with before a call, when no part is known. */
export function plainUsage(inputTokens: number, outputTokens: number): Usage {
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}
