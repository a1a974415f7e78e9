import { numberIn } from "../../../bounds.ts";
import type { RawUsage, TokenPart, Usage } from "../../usage.ts";
import { at, field, isObject, type JsonObject } from "../json.ts";

/** Names of what every lab serves if nothing else is asked for. */
const ORDINARY_TIERS: ReadonlySet<unknown> = new Set(["default", "auto", "standard", "on_demand", ""]);

export function serviceTierOf(body: unknown): string | undefined {
  const tier = field(body, "service_tier") ?? at(body, "usage", "service_tier");
  return typeof tier === "string" && tier.length <= 64 && !ORDINARY_TIERS.has(tier) ? tier : undefined;
}

/**
 * The usage an answer reports, or null where it reports none.
 *
 * - Chat completions and embeddings count `prompt_tokens` and `completion_tokens`, responses `input_tokens` and
 *   `output_tokens`.
 * - OpenAI and DeepSeek count reasoning inside the output; some xAI models and Gemini's door count it beside, which
 *   shows in a total that is larger than its parts: what is over is output.
 * - Anthropic's shape counts what is read from and written to the cache beside the input.
 * - Relays that estimate give fractions, which are rounded.
 * @param holds what the answer plainly has: its prompt, or its text, then cannot have been of no tokens
 */
export function usageOf(
  answer: unknown,
  holds: { readonly prompt: boolean; readonly text: boolean },
): Usage | null {
  const own = [field(answer, "usage"), at(answer, "x_groq", "usage")].find(isObject);
  if (own === undefined) return null;
  const told = plainlyNamed(own);
  const { input, output, total } = sumsOf(told);
  const input_tokens = holds.prompt && input === 0 ? null : whole(input);
  const output_tokens = holds.text && output === 0 ? null : whole(output);
  const isWhole = input_tokens !== null && output_tokens !== null;
  const tier = serviceTierOf(answer);
  return {
    ...{ input_tokens, output_tokens },
    total_tokens: isWhole ? input_tokens + output_tokens : whole(total === 0 ? undefined : total),
    ...partsOf(told),
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...rawOf(own),
  };
}

/** Some relays write `promptTokens`, and others `input_token_details`. */
function plainlyNamed(told: JsonObject): JsonObject {
  const plain = (name: string) =>
    name
      .replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)
      .replace("_token_details", "_tokens_details");
  return Object.fromEntries(
    Object.entries(told).map(([name, value]) => [plain(name), isObject(value) ? plainlyNamed(value) : value]),
  );
}

interface Sums {
  readonly input: number | undefined;
  readonly output: number | undefined;
  readonly total: number | undefined;
}

function sumsOf(told: JsonObject): Sums {
  const total = count(told.total_tokens);
  const prompt = count(told.prompt_tokens);
  const said = count(told.completion_tokens) ?? count(told.output_tokens);
  const bare = prompt ?? count(told.input_tokens);
  if (bare === undefined) return { input: undefined, output: said, total };
  const cache = (count(told.cache_creation_input_tokens) ?? 0) + (count(told.cache_read_input_tokens) ?? 0);
  const isBeside = prompt === undefined || (cache > 0 && total === bare + cache + (said ?? 0));
  const input = isBeside ? bare + cache : bare;
  if (total !== undefined) {
    const over = Math.max(0, total - input);
    return { input, output: said === undefined ? over : Math.max(said, over), total };
  }
  const reasoning = partsOf(told).reasoning_tokens ?? 0;
  return { input, output: said !== undefined && reasoning > said ? said + reasoning : said, total };
}

/** Where labs tell each part; the first place that has a count is taken. */
const PLACES: Readonly<Record<TokenPart, readonly (readonly string[])[]>> = {
  cached_input_tokens: [
    ["prompt_tokens_details", "cached_tokens"],
    ["input_tokens_details", "cached_tokens"],
    ["prompt_cache_hit_tokens"],
    ["cache_read_input_tokens"],
    ["cached_tokens"],
  ],
  cache_write_tokens: [
    ["prompt_tokens_details", "cache_write_tokens"],
    ["prompt_tokens_details", "cache_creation_tokens"],
    ["input_tokens_details", "cache_write_tokens"],
    ["cache_creation_input_tokens"],
  ],
  audio_input_tokens: [
    ["prompt_tokens_details", "audio_tokens"],
    ["input_tokens_details", "audio_tokens"],
  ],
  image_input_tokens: [
    ["prompt_tokens_details", "image_tokens"],
    ["input_tokens_details", "image_tokens"],
  ],
  audio_output_tokens: [
    ["completion_tokens_details", "audio_tokens"],
    ["output_tokens_details", "audio_tokens"],
  ],
  reasoning_tokens: [
    ["completion_tokens_details", "reasoning_tokens"],
    ["output_tokens_details", "reasoning_tokens"],
    ["reasoning_tokens"],
  ],
};

function partsOf(told: JsonObject): Partial<Record<TokenPart, number>> {
  const parts: Partial<Record<TokenPart, number>> = {};
  for (const [part, places] of Object.entries(PLACES) as [TokenPart, readonly (readonly string[])[]][]) {
    // Some relays fill in zeros at one place and the truth at another.
    const counts = places.map((place) => whole(count(at(told, ...place)))).filter((each) => each !== null);
    if (counts.length > 0) parts[part] = Math.max(...counts);
  }
  return parts;
}

/** Some relays write numbers as text. Whether a call can have used so much is for plausible.ts to say. */
function count(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  return numberIn(number, 0, Number.MAX_SAFE_INTEGER);
}

function whole(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value);
}

/** The lab's object is kept as it is with job and record, so it must be small, and such as store and hash can take. */
const MAX_RAW_CHARS = 1_500;
const MAX_RAW_STRING_CHARS = 200;

function rawOf(told: JsonObject): { raw?: RawUsage } {
  const text = JSON.stringify(told, (_, value: unknown) =>
    typeof value === "string" ? value.slice(0, MAX_RAW_STRING_CHARS).toWellFormed() : value,
  );
  return text.length <= MAX_RAW_CHARS && text.isWellFormed() && !/\\ud[89a-f]/i.test(text)
    ? { raw: JSON.parse(text) as RawUsage }
    : {};
}
