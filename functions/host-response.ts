import { HttpResponse, type HttpResponseInit } from "@azure/functions";
import type { Answer } from "../shared/http/answer.ts";

/** An answer as the host's library takes it, whether or not the app is set up to stream. Throws for a header that none can be. */
export function toHostResponse({ status, headers, body }: Answer): HttpResponse {
  if (body === undefined) return new HttpResponse({ status, headers });
  if (typeof body === "string") return new WholeResponse({ status, headers }, body);
  return new HttpResponse({ status, headers, body: ReadableStream.from(body) });
}

/**
 * An answer whose whole body is one text. For any other body the library makes a web stream only to read it again:
 * that would be half the CPU of an invocation. It asks an answer for `arrayBuffer` where the app does not stream, and
 * for the chunks of `body` where it does; this one hands over its bytes either way.
 */
class WholeResponse extends HttpResponse {
  override readonly body: ReadableStream;
  override readonly arrayBuffer: () => Promise<ArrayBuffer>;

  constructor({ headers, ...init }: HttpResponseInit, text: string) {
    const bytes = encoder.encode(text);
    super({ ...init, headers: { ...headers, "content-length": String(bytes.length) } });
    this.body = chunksOf(bytes);
    this.arrayBuffer = async () => bytes.buffer;
  }
}

const encoder = new TextEncoder();

/** The library reads nothing but `values()` of a stream, and writes each to the socket. */
function chunksOf(bytes: Uint8Array): ReadableStream {
  return { values: () => [bytes] } as unknown as ReadableStream;
}
