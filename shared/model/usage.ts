/** Tokens of a call, in one shape for all endpoints. Reasoning tokens are part of `output_tokens`. */
export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly total_tokens: number;
}
