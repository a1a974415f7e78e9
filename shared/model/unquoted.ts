/** Texts are compared in pieces of so many characters: shorter ones are in any two texts. */
const PIECE_CHARS = 12;
/** A value of the request that is shorter than a piece is looked for as a whole. */
const LEAST_CHARS = 6;
const QUOTED = "[…]";

/**
 * A lab's words without what they repeat of the request: an audit record is kept longer than a prompt, and erased by
 * nobody. Each character of the request is looked at once, for it may be megabytes.
 * @param body the request as it was sent, JSON
 */
export function unquoted(said: string, body: string): string {
  // However labs break lines.
  const words = spaced(said);
  const values = valuesOf(JSON.parse(body)).map(spaced);
  const quoted = new Uint8Array(words.length);
  markPieces(quoted, words, values.join("\n"));
  for (const value of new Set(values))
    if (value.length >= LEAST_CHARS && value.length < PIECE_CHARS)
      for (let at = words.indexOf(value); at !== -1; at = words.indexOf(value, at + 1))
        quoted.fill(1, at, at + value.length);
  let told = "";
  for (let at = 0; at < words.length; at++)
    if (quoted[at] === 0) told += words[at];
    else if (quoted[at - 1] !== 1) told += QUOTED;
  return told;
}

const spaced = (text: string) => text.replace(/\s+/g, " ");

/** Marks every piece of the words that is in the text too. */
function markPieces(quoted: Uint8Array, words: string, text: string): void {
  /** Where in the words pieces of a hash are: those that were found are taken out. */
  const wanted = new Map<number, number[]>();
  /** Most pieces of the text are none of the words: one look tells. */
  const perhaps = new Uint8Array(1 << 16);
  eachPiece(words, (hash, at) => {
    perhaps[hash & 0xffff] = 1;
    wanted.set(hash, [...(wanted.get(hash) ?? []), at]);
    return true;
  });
  eachPiece(text, (hash, at) => {
    const places = perhaps[hash & 0xffff] === 1 ? wanted.get(hash) : undefined;
    if (places === undefined) return true;
    const piece = text.slice(at, at + PIECE_CHARS);
    const others = places.filter((place) => !words.startsWith(piece, place));
    for (const place of places) if (!others.includes(place)) quoted.fill(1, place, place + PIECE_CHARS);
    if (others.length === 0) wanted.delete(hash);
    else wanted.set(hash, others);
    return wanted.size > 0;
  });
}

const FACTOR = 0x01000193;
const LEADING = Array.from({ length: PIECE_CHARS }).reduce<number>((power) => Math.imul(power, FACTOR), 1);

/** Each piece's hash and place, as long as it is answered true; each hash follows from the one before. */
function eachPiece(text: string, see: (hash: number, at: number) => boolean): void {
  let hash = 0;
  for (let end = 0; end < text.length; end++) {
    const at = end - PIECE_CHARS + 1;
    hash = (Math.imul(hash, FACTOR) + text.charCodeAt(end)) | 0;
    if (at > 0) hash = (hash - Math.imul(text.charCodeAt(at - 1), LEADING)) | 0;
    if (at >= 0 && !see(hash, at)) return;
  }
}

/** All texts in a request but the model's name, which labs have to say. */
function valuesOf(value: unknown, name?: string): string[] {
  if (typeof value === "string") return name === "model" ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => valuesOf(inner, key));
}
