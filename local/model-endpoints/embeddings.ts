import { invalid, missing } from "./api-error.ts";
import { withoutMarkers } from "./directives.ts";
import { type Json, numberOf, oneOf, present, wrongType } from "./fields.ts";
import type { ModelProfile } from "./profiles.ts";
import { seeded } from "./seeded.ts";
import { tokensOf } from "./tokens.ts";

const MAX_INPUTS = 2048;
/** Each word of a text moves this many dimensions. */
const DIMENSIONS_PER_WORD = 8;

export interface EmbeddingsAsk {
  readonly inputs: readonly string[];
  readonly inputTokens: number;
  readonly dimensions: number;
  readonly base64: boolean;
}

/** @throws ApiError 400 */
export function readEmbeddingsRequest(body: Json, model: ModelProfile): EmbeddingsAsk {
  if (!present(body, "input")) throw missing("input");
  const { input } = body;
  const inputs = isTokens(input) || !Array.isArray(input) ? [textOf(input)] : input.map(textOf);
  if (inputs.length === 0 || inputs.length > MAX_INPUTS || inputs.includes("")) {
    throw invalid(
      "'$.input' is invalid. Please check the API reference: 1 to 2048 texts, none empty.",
      "input",
      null,
    );
  }
  const counts = inputs.map(tokensOf);
  const longest = Math.max(...counts);
  if (longest > model.contextTokens) {
    throw invalid(
      `This model's maximum context length is ${model.contextTokens} tokens, however you requested ${longest} tokens (${longest} in your prompt; 0 for the completion). Please reduce your prompt; or completion length.`,
      null,
      null,
    );
  }
  const encoding = present(body, "encoding_format")
    ? oneOf(body.encoding_format, "encoding_format", ["float", "base64"])
    : "float";
  const most = model.dimensions ?? 1;
  return {
    inputs,
    inputTokens: counts.reduce((sum, count) => sum + count, 0),
    dimensions: numberOf(body, "dimensions", { min: 1, max: most, integer: true }) ?? most,
    base64: encoding === "base64",
  };
}

/** Token numbers may stand for a text; each is taken for a word. */
function textOf(value: unknown): string {
  if (typeof value === "string") return withoutMarkers(value);
  if (isTokens(value)) return value.join(" ");
  throw wrongType(
    "input",
    "one of a string, array of strings, array of integers or array of integer arrays",
    value,
  );
}

function isTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "number");
}

/**
 * A vector of length 1 in which texts that share words are near each other: each word moves a few dimensions, always
 * the same ones.
 */
export function embeddingOf(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  for (const [word] of `${text.toLowerCase()} .`.matchAll(/[\p{L}\p{N}]+|[.]/gu)) {
    const random = seeded(word);
    for (let i = 0; i < DIMENSIONS_PER_WORD; i++) {
      const at = Math.floor(random() * dimensions);
      vector[at] = (vector[at] ?? 0) + (random() < 0.5 ? -1 : 1);
    }
  }
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1;
  return vector.map((value) => value / length);
}

export function embeddingsAnswer(model: ModelProfile, ask: EmbeddingsAsk): object {
  return {
    object: "list",
    data: ask.inputs.map((text, index) => {
      const vector = embeddingOf(text, ask.dimensions);
      return {
        object: "embedding",
        index,
        embedding: ask.base64 ? Buffer.from(vector.buffer).toString("base64") : [...vector],
      };
    }),
    model: model.name,
    usage: { prompt_tokens: ask.inputTokens, total_tokens: ask.inputTokens },
  };
}
