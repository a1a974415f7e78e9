import { MAX_STORED_CONTENT_BYTES } from "../limits.ts";

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

/**
 * The bytes that a body would take, where those are more than are kept of any; undefined: it can be kept. Measured as it
 * will be stored: a string inside JSON, where each quote and line break takes two bytes or more.
 */
export function bytesTooMany(body: string): number | undefined {
  const most = body.length * 6; // the worst case, "\\u0000" for each character
  if (most <= MAX_STORED_CONTENT_BYTES) return undefined;
  const bytes = Buffer.byteLength(JSON.stringify(body));
  return bytes > MAX_STORED_CONTENT_BYTES ? bytes : undefined;
}
