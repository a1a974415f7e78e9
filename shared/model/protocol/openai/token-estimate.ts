import type { Endpoint } from "../../endpoint.ts";
import type { TokenEstimate } from "../../token-estimate.ts";

/** Four bytes of UTF-8 a token: close for English prose, of the right order for everything else. */
const BYTES_PER_TOKEN = 4;
/** What a message costs besides its text: its role and its separators. */
const TOKENS_PER_MESSAGE = 4;
/** The beginning of the answer is part of the prompt. */
const TOKENS_PER_REPLY = 3;
/** A 1024 x 1024 picture in high detail, by OpenAI's published rule. */
const TOKENS_PER_IMAGE = 765;
/** Speech is about ten tokens a second; base64 of MP3 at 128 kbit/s has some 2,100 characters to a tenth of that. */
const AUDIO_CHARACTERS_PER_TOKEN = 2_100;
/** Names of the limit on an answer's length, the newer first. */
export const OUTPUT_LIMIT_NAMES = ["max_completion_tokens", "max_output_tokens", "max_tokens"] as const;

/** Members of a body that reach the model as part of its prompt. */
const PROMPT_MEMBERS = ["messages", "input", "instructions", "tools", "functions", "prompt"] as const;
/** Members that hold a JSON schema, which is part of the prompt as well. */
const FORMAT_MEMBERS = ["response_format", "text"] as const;

export function estimateTokens(endpoint: Endpoint, body: unknown): TokenEstimate {
  const request = isObject(body) ? body : {};
  const embeddings = endpoint === "/v1/embeddings";
  const members = embeddings ? (["input"] as const) : [...PROMPT_MEMBERS, ...FORMAT_MEMBERS];
  const prompt = tokensIn(members.map((name) => request[name]));
  return {
    promptTokens: prompt + (embeddings ? 0 : TOKENS_PER_REPLY),
    outputTokensAsked: embeddings ? null : outputTokensAsked(request),
    answers: embeddings
      ? 0
      : Math.min(MAX_ANSWERS, Math.max(1, whole(request.n) ?? 1, whole(request.best_of) ?? 1)),
  };
}

function outputTokensAsked(body: Record<string, unknown>): number | null {
  for (const name of OUTPUT_LIMIT_NAMES) {
    const asked = whole(body[name]);
    if (asked !== undefined) return asked;
  }
  return null;
}

interface Tally {
  bytes: number;
  messages: number;
  images: number;
  audioCharacters: number;
  /** Tokens that came as numbers. */
  tokens: number;
}

function tokensIn(members: readonly unknown[]): number {
  const tally: Tally = { bytes: 0, messages: 0, images: 0, audioCharacters: 0, tokens: 0 };
  for (const member of members) count(member, tally);
  return (
    Math.ceil(tally.bytes / BYTES_PER_TOKEN) +
    tally.messages * TOKENS_PER_MESSAGE +
    tally.images * TOKENS_PER_IMAGE +
    Math.ceil(tally.audioCharacters / AUDIO_CHARACTERS_PER_TOKEN) +
    tally.tokens
  );
}

/** A message's own fields: their names are no part of its text, as those inside a schema are. */
const FRAME = new Set(["role", "content", "type", "text"]);

/** Texts count by their bytes; pictures and sound by their own rules, not by their base64. */
function count(value: unknown, tally: Tally): void {
  if (typeof value === "string") tally.bytes += Buffer.byteLength(value);
  else if (typeof value === "number") tally.tokens++;
  else if (Array.isArray(value)) for (const each of value) count(each, tally);
  else if (isObject(value)) countObject(value, tally);
}

function countObject(value: Record<string, unknown>, tally: Tally): void {
  if (value.type === "image_url" || value.type === "input_image") {
    tally.images++;
    return;
  }
  if (value.type === "input_audio") {
    const data = isObject(value.input_audio) ? value.input_audio.data : undefined;
    tally.audioCharacters += typeof data === "string" ? data.length : 0;
    return;
  }
  if (typeof value.role === "string") tally.messages++;
  for (const name in value) {
    if (!FRAME.has(name)) tally.bytes += name.length;
    if (name !== "role" && name !== "type") count(value[name], tally);
  }
}

/** No lab gives more answers to one request; one that asks for more is refused by it. */
const MAX_ANSWERS = 128;
/** More than any model gives; so that products of what bodies say stay whole numbers. */
const MAX_ASKED = 10_000_000;

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0
    ? Math.min(value, MAX_ASKED)
    : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
