/** Tokens of a call, in one shape for all endpoints. `output_tokens` is all that is billed as output. */
export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly total_tokens: number;
}
