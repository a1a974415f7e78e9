import type { IncomingMessage } from "node:http";

export type Body =
  | { readonly kind: "whole"; readonly bytes: Buffer | undefined }
  | { readonly kind: "too_large" }
  /** The client went away in the middle; there is nobody to answer. */
  | { readonly kind: "cut" };

/** What Content-Length announces; undefined where it says nothing. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  const text = request.headers["content-length"];
  return text === undefined ? undefined : Number(text);
}

/**
 * Reads a request's body, at most `maxBytes` of it: an announced length over that is refused before a byte is read, and
 * a stream as soon as it passes it. A body that is refused is left unread (the request is paused).
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Body> {
  const announced = announcedBytes(request);
  if (announced !== undefined && announced > maxBytes) return Promise.resolve({ kind: "too_large" });
  if (announced === 0 || (announced === undefined && request.headers["transfer-encoding"] === undefined)) {
    return Promise.resolve({ kind: "whole", bytes: undefined });
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (body: Body) => {
      request.off("data", onData).off("end", onEnd).off("close", onCut);
      resolve(body);
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) {
        request.pause();
        settle({ kind: "too_large" });
      } else chunks.push(chunk);
    };
    const onEnd = () => {
      const [first] = chunks;
      settle({ kind: "whole", bytes: chunks.length === 1 && first ? first : Buffer.concat(chunks, length) });
    };
    const onCut = () => settle({ kind: "cut" });
    // "close" without "end" is how Node tells of a client that went away; "error" comes with it and says no more.
    request.on("data", onData).on("end", onEnd).on("close", onCut).on("error", onCut);
  });
}
