/**
 * Tokens are estimated, not counted: real tokenizers differ by lab, and cost a few MB of tables each. Four bytes of
 * UTF-8 a token is close for English prose and in the right order of magnitude for everything else.
 */
const BYTES_PER_TOKEN = 4;
/** What a message costs besides its text: its role and its separators. */
export const TOKENS_PER_MESSAGE = 4;
/** The beginning of the answer is part of the prompt. */
export const TOKENS_PER_REPLY = 3;
/** A 1024 x 1024 picture in high detail, by OpenAI's published rule. */
export const TOKENS_PER_IMAGE = 765;

export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** The beginning of the text that `tokens` hold, in whole characters. */
export function cutToTokens(text: string, tokens: number): string {
  const limitBytes = Math.max(0, tokens) * BYTES_PER_TOKEN;
  if (Buffer.byteLength(text) <= limitBytes) return text;
  const bytes = Buffer.from(text);
  let end = limitBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
