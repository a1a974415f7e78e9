import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { announcedBytes } from "./request-body.ts";

/**
 * The host's own answer, before or instead of a function's: a status and no body, as the cloud's host gives it.
 */
export function answerBare(response: ServerResponse, status: number): void {
  response.writeHead(status, { "content-length": 0 }).end();
}

/** The same for a socket that is closed after it. */
export function bareText(status: number): string {
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "content-length: 0",
    `date: ${new Date().toUTCString()}`,
    "connection: close",
    "",
    "",
  ].join("\r\n");
}

/**
 * How long a connection whose request was refused half-read stays open to take what the client still sends: closed
 * at once, the kernel would reset it and the client might never see the answer.
 */
const LINGER_MS = 1_000;
const LINGER_BYTES = 4 * 1024 * 1024;

/**
 * Answers a request whose body has not been read. With a body still to come the connection ends after it: reading all
 * of it only to throw it away would let a client keep the host busy with bytes it refused.
 */
export function refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
  const bodyToCome = (announcedBytes(request) ?? 0) > 0 || request.headers["transfer-encoding"] !== undefined;
  if (!bodyToCome || request.complete || response.socket === null) {
    answerBare(response, status);
    return;
  }
  // Past `response`: it would destroy the socket as soon as the answer is written.
  const { socket } = request;
  socket.end(bareText(status));
  takeRest(request);
  request.once("end", () => socket.destroy());
}

/**
 * Takes what a client still sends of a request that has its answer, within bounds: the connection ends with whoever
 * sends more than that.
 */
export function takeRest(request: IncomingMessage): void {
  const { socket } = request;
  let bytes = 0;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  const done = () => clearTimeout(timer);
  socket.once("close", done);
  request.once("end", done);
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) request.pause();
  });
  request.resume();
}
