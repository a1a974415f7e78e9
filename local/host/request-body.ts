import type { IncomingMessage } from "node:http";

/** What Content-Length announces; undefined where it says nothing. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  const text = request.headers["content-length"];
  return text === undefined ? undefined : Number(text);
}

/** The whole body that Content-Length announces; undefined when the client went away in the middle of it. */
export function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const [first] = chunks;
      resolve(chunks.length === 1 && first ? first : Buffer.concat(chunks));
    });
    // "close" without "end" means that the client went away; "error" comes with it and says nothing more.
    request.on("close", () => resolve(undefined)).on("error", () => resolve(undefined));
  });
}
