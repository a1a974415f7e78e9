import type { Usage } from "../../usage.ts";

/**
 * The usage an answer reports, or null where it reports none that can be read.
 *
 * Chat completions and embeddings count `prompt_tokens` and `completion_tokens`, responses `input_tokens` and
 * `output_tokens`. OpenAI and DeepSeek count reasoning inside the output; some xAI models count it beside, which
 * shows in a total that is larger than its parts by just the reasoning tokens.
 */
export function usageOf(body: unknown): Usage | null {
  const usage = field(body, "usage");
  const input = count(field(usage, "prompt_tokens") ?? field(usage, "input_tokens"));
  if (input === undefined) return null;
  const output = count(field(usage, "completion_tokens") ?? field(usage, "output_tokens")) ?? 0;
  const total = count(field(usage, "total_tokens")) ?? input + output;
  const details = field(usage, "completion_tokens_details") ?? field(usage, "output_tokens_details");
  const reasoning = count(field(details, "reasoning_tokens")) ?? 0;
  const beside = reasoning > 0 && total === input + output + reasoning ? reasoning : 0;
  return { input_tokens: input, output_tokens: output + beside, total_tokens: input + output + beside };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
