import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Answer } from "./answers.ts";
import { tooLarge } from "./cosmos-error.ts";

/** A batch of 2 MB, with its envelope. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The client is gone: no one is left to answer. */
export class Gone extends Error {
  override readonly name = "Gone";
}

/** The whole body. @throws CosmosError 413; Gone */
export function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) return void chunks.push(chunk);
      // The rest is not read: the answer says why, and ends the connection.
      chunks = [];
      request.pause();
      request.removeAllListeners("data");
      reject(tooLarge("A body is at most 4 MB"));
    });
    request.on("end", () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on("error", () => reject(new Gone()));
    request.on("close", () => {
      if (!request.complete) reject(new Gone());
    });
  });
}

export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Answer,
): void {
  if (response.destroyed || response.headersSent) return;
  const all: Record<string, string | number> = { ...headers };
  const unread = !request.complete;
  if (unread) all.connection = "close";
  if (body === undefined) {
    if (status !== 204 && status !== 304) all["content-length"] = 0;
    response.writeHead(status, all).end();
  } else {
    all["content-type"] = typeof body === "string" ? "application/json" : "application/octet-stream";
    all["content-length"] = Buffer.byteLength(body);
    // Text, because Node then writes head and body together.
    response.writeHead(status, all).end(body);
  }
}

/** What is no HTTP is told so, where there is somebody to tell. */
export function refuseGarbage(
  error: NodeJS.ErrnoException,
  socket: Socket,
  log: (line: string) => void,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  log(`cosmos: a request that is no HTTP: ${error.message}`);
  const [status, reason] = REASONS[error.code ?? ""] ?? ["400 Bad Request", error.message];
  const body = JSON.stringify({ code: "BadRequest", message: `The request is not valid HTTP: ${reason}` });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the headers are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "it did not come in time"],
};
