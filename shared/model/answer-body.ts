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
  response: Response,
  limitBytes: number,
  tooLong: "cut" | "refuse",
): Promise<string> {
  const declared = Number(response.headers.get("content-length") ?? Number.NaN);
  // A compressed answer's declared length says nothing of what it unfolds to.
  if (declared <= limitBytes && !response.headers.has("content-encoding")) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes <= limitBytes) text += decoder.decode(chunk, { stream: true });
    // Leaving the loop cancels the stream, and with it the connection.
    else if (tooLong === "refuse") throw new BodyTooLarge(limitBytes);
    else return text;
  }
  return text + decoder.decode();
}
