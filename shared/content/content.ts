/** A request as it is kept: `body` is the JSON text of the envelope's `body`, byte for byte. */
export interface StoredRequest {
  readonly body: string;
}

/** A deployment's answer as it is kept: `body` is its JSON text, byte for byte. */
export interface StoredResponse {
  readonly status_code: number;
  readonly request_id: string | null;
  readonly body: string;
}

/** A string inside JSON takes more than its own bytes: each quote and line break two or more, a control character six. */
const MOST_BYTES_PER_CHAR = 6;

/** Whether a text takes at most so many bytes where it is stored: as a string inside JSON. */
export function fits(text: string, maxBytes: number): boolean {
  if (text.length * MOST_BYTES_PER_CHAR + 2 <= maxBytes) return true;
  return text.length <= maxBytes && Buffer.byteLength(JSON.stringify(text)) <= maxBytes;
}

const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff;

/**
 * The text in pieces, each of which takes at most so many bytes where it is stored. A pair of surrogates stays together.
 * @param maxBytes no less than 16: any one character fits
 */
export function piecesOf(text: string, maxBytes: number): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + maxBytes, text.length);
    while (!fits(text.slice(from, to), maxBytes)) to = from + Math.floor((to - from) * 0.75);
    if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1))) to += to - from > 1 ? -1 : 1;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
