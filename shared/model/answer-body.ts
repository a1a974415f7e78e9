/** More came than the caller takes. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
  readonly limitBytes: number;
  constructor(limitBytes: number) {
    super(`the answer is over ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

/**
 * An answer's body as text, never more than `limitBytes` of it in memory: past that it is cut there, or refused.
 * @throws BodyTooLarge
 */
export async function bodyText(
  body: AsyncIterable<Uint8Array>,
  limitBytes: number,
  tooLong: "cut" | "refuse",
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > limitBytes) {
      // Leaving the loop ends the stream, and with it the connection.
      if (tooLong === "refuse") throw new BodyTooLarge(limitBytes);
      break;
    }
    chunks.push(chunk);
  }
  const [first] = chunks;
  return new TextDecoder().decode(chunks.length === 1 ? first : Buffer.concat(chunks));
}
