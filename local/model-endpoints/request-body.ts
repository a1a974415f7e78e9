import type { IncomingMessage } from "node:http";

/** Larger than any prompt that fits a context window. */
export const MAX_BODY_BYTES = 20 * 1024 * 1024;

/** The whole body; undefined when it is over MAX_BODY_BYTES. Rejects when the caller goes away before its end. */
export function bodyOf(req: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    req.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) resolve(undefined);
      else chunks.push(chunk);
    });
    req.on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    req.on("error", reject);
    req.on("close", () => {
      if (!req.complete) reject(new Error("the caller went away"));
    });
  });
}
