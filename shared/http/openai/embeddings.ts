/**
 * An answer's vectors as base64 of little-endian float32, as OpenAI's SDKs ask for them. Those that are so already stay,
 * and so does an answer without any.
 * @param body the lab's answer, JSON
 */
export function inBase64(body: string): string {
  const answer = JSON.parse(body) as { readonly data?: readonly { readonly embedding?: unknown }[] };
  if (!answer.data?.some(({ embedding }) => Array.isArray(embedding))) return body;
  const data = answer.data.map((each) =>
    Array.isArray(each.embedding) ? { ...each, embedding: base64Of(each.embedding) } : each,
  );
  return JSON.stringify({ ...answer, data });
}

const FLOAT_BYTES = 4;

function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * FLOAT_BYTES);
  vector.forEach((value, at) => {
    bytes.writeFloatLE(value, at * FLOAT_BYTES);
  });
  return bytes.toString("base64");
}
