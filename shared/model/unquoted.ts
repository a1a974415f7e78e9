/** Texts are compared in pieces of so many characters: shorter ones are in any two texts. */
const PIECE_CHARS = 12;
/** A value of the request that is shorter than a piece is looked for as a whole. */
const LEAST_CHARS = 6;
const QUOTED = "[…]";

/**
 * A lab's words without what they repeat of the request: an audit record is kept longer than a prompt, and erased by
 * nobody.
 * @param body the request as it was sent, JSON
 */
export function unquoted(words: string, body: string): string {
  const values = valuesOf(JSON.parse(body));
  const text = values.join("\n");
  const whole = values.filter(({ length }) => length >= LEAST_CHARS && length < PIECE_CHARS);
  const quoted = new Uint8Array(words.length);
  for (let at = 0; at + PIECE_CHARS <= words.length; at++)
    if (text.includes(words.slice(at, at + PIECE_CHARS))) quoted.fill(1, at, at + PIECE_CHARS);
  for (const value of whole)
    for (let at = words.indexOf(value); at !== -1; at = words.indexOf(value, at + 1))
      quoted.fill(1, at, at + value.length);
  let told = "";
  for (let at = 0; at < words.length; at++)
    if (quoted[at] === 0) told += words[at];
    else if (quoted[at - 1] !== 1) told += QUOTED;
  return told;
}

/** All texts in a request but the model's name, which labs have to say. */
function valuesOf(value: unknown, name?: string): string[] {
  if (typeof value === "string") return name === "model" ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => valuesOf(inner, key));
}
