import { randomUUID } from "node:crypto";
import { type IncomingMessage, maxHeaderSize, type Server, type ServerResponse } from "node:http";
import { refuse, takeRest } from "./bare-answer.ts";
import { describe, type Exchange, type ExchangeDependencies } from "./exchange.ts";
import { httpMetadata } from "./http-metadata.ts";
import { announcedBytes, type HeldBody, holdBody } from "./request-body.ts";
import { INVOCATION_ID } from "./request-headers.ts";

export interface StreamDependencies extends ExchangeDependencies {
  /** The server that `@azure/functions` opens for requests when the app streams. */
  readonly proxy: Server;
  readonly maxBodyBytes: number;
}

/** What the cloud's host adds to a request's head on the way to the worker: the id and three forwarding headers. */
const ADDED_BYTES = 300;

/** What of a request the library looks at. */
type StreamedRequest = Pick<IncomingMessage, "headers" | "url" | "method"> & AsyncIterable<Uint8Array>;

/**
 * Runs a function whose request and answer stream (`app.setup({ enableHttpStream: true })`). In the cloud the host
 * forwards the request to a server that the library has opened in the worker. Here both are one process, and the
 * library's server is given the client's own request and response: its code reads and writes them as it does there.
 *
 * As there, a body that announces its length is read before the function is called, any other as the function reads
 * it. What follows for a client that goes away is what follows there, too: a body that the function was reading breaks
 * off, nothing else tells it; its answer is taken to the end and thrown away.
 */
export async function answerStreamed(exchange: Exchange, dependencies: StreamDependencies): Promise<void> {
  const { request } = exchange;
  const hasLength = (announcedBytes(request) ?? 0) > 0;
  const body = hasLength ? await holdBody(request) : undefined;
  // The client went away in the middle of it: there is nobody to answer.
  if (hasLength && body === undefined) return;
  try {
    await answerWith(body, exchange, dependencies);
  } finally {
    await body?.remove();
  }
}

async function answerWith(
  body: HeldBody | undefined,
  exchange: Exchange,
  { invoker, log, proxy, maxBodyBytes }: StreamDependencies,
): Promise<void> {
  const { match, head, request, response, authority } = exchange;
  const { fn, params } = match;
  // Under an id that the client has made up the library keeps a request that no invocation asks for.
  const invocationId = head.claimsInvocation ? randomUUID() : String(request.headers[INVOCATION_ID]);
  const { [INVOCATION_ID]: _, ...sent } = head.headers;
  const headers = head.claimsInvocation ? head.headers : sent;
  const triggerMetadata = httpMetadata({ target: request.url ?? "/", params, headers, body: body?.bytes });
  request.headers["x-forwarded-host"] = authority;
  request.headers["x-forwarded-proto"] = "http";
  if (reachesWorker(exchange)) proxy.emit("request", asStreamed(exchange, body, maxBodyBytes), response);
  try {
    await invoker.invoke(fn, {
      invocationId,
      data: { http: {} },
      triggerMetadata,
      ...(headers.traceparent === undefined ? {} : { traceParent: headers.traceparent }),
    });
    if (response.destroyed && !response.writableFinished) {
      log.write("warning", `Function.${fn.name}`, "The client left before it had the whole answer.");
    }
  } catch (thrown) {
    log.write("error", `Function.${fn.name}`, `The function failed: ${describe(thrown)}`);
  }
  if (response.writableEnded && !request.complete && !request.destroyed) takeRest(request);
  if (response.writableEnded || response.destroyed) return;
  log.write(
    "error",
    `Function.${fn.name}`,
    "The function has ended without a whole answer: its client is cut off here, and waits some four minutes in Azure.",
  );
  request.socket.destroy();
}

/**
 * The cloud's host forwards a head only if it is ASCII, and the worker's Node takes it only up to its own size. Of any
 * other request the worker never hears: its invocation waits until it times out.
 */
function reachesWorker({ head }: Exchange): boolean {
  return head.isAscii && head.bytes + ADDED_BYTES <= maxHeaderSize;
}

/** The request as the library is given it; its body, where it has one, whole or as it comes, but for what is too long. */
function asStreamed(
  { request, response }: Exchange,
  body: HeldBody | undefined,
  maxBodyBytes: number,
): StreamedRequest {
  const { headers, url, method } = request;
  if (body !== undefined)
    return { headers, url, method, [Symbol.asyncIterator]: () => body.chunks()[Symbol.asyncIterator]() };
  if (headers["transfer-encoding"] === undefined) return request;
  return { headers, url, method, [Symbol.asyncIterator]: () => bounded(request, response, maxBodyBytes) };
}

async function* bounded(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    if (length > maxBytes) {
      refuse(request, response, 500);
      throw Object.assign(new Error("aborted"), { code: "ECONNRESET" });
    }
    yield chunk as Buffer;
  }
}
