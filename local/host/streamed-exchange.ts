import { randomUUID } from "node:crypto";
import { type IncomingMessage, maxHeaderSize, type Server, type ServerResponse } from "node:http";
import { refuse } from "./bare-answer.ts";
import type { TypedData } from "./core-api.ts";
import { describe, type Exchange, type ExchangeDependencies } from "./exchange.ts";
import { announcedBytes } from "./request-body.ts";
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
 * What follows for a client that goes away is what follows in the cloud: a body it was still sending breaks off for
 * the function, nothing else tells it; its answer is taken to the end and thrown away.
 */
export async function answerStreamed(exchange: Exchange, dependencies: StreamDependencies): Promise<void> {
  const { match, head, request, response, authority } = exchange;
  const { invoker, log } = dependencies;
  const { fn, params } = match;
  // The library would keep a request under an id that the client made up, which no invocation asks for.
  const invocationId = head.claimsInvocation ? randomUUID() : String(request.headers[INVOCATION_ID]);
  const { [INVOCATION_ID]: _, ...sent } = head.headers;
  const headers = head.claimsInvocation ? head.headers : sent;
  const triggerMetadata = metadataOf(request.url ?? "/", params, headers);
  request.headers["x-forwarded-host"] = authority;
  request.headers["x-forwarded-proto"] = "http";
  if (reachesWorker(exchange)) dependencies.proxy.emit("request", bodyOf(exchange, dependencies), response);
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

/**
 * The trigger metadata of an HTTP request, of which the library makes the function's `params` and headers. As in the
 * cloud the query's names are among them, names are the same whatever their case, and the route's values win. A query
 * that names `headers` leaves the function without any other.
 */
function metadataOf(
  target: string,
  params: Record<string, string>,
  headers: Record<string, string>,
): Record<string, TypedData> {
  const metadata: Record<string, TypedData> = Object.create(null);
  const question = target.indexOf("?");
  if (question < 0) {
    for (const name in params) metadata[name] = { string: params[name] ?? "" };
    metadata.Headers = { json: JSON.stringify(headers) };
    return metadata;
  }
  const names = new Map<string, string>();
  const set = (name: string, value: string) => {
    const known = names.get(name.toLowerCase()) ?? name;
    names.set(name.toLowerCase(), known);
    metadata[known] = { string: value };
  };
  for (const [name, value] of new URLSearchParams(target.slice(question + 1))) {
    if (name.toLowerCase() !== "code") set(name, value);
  }
  for (const [name, value] of Object.entries(params)) set(name, value);
  if (!names.has("headers")) metadata.Headers = { json: JSON.stringify(headers) };
  return metadata;
}

/** The request as the library is given it: itself, or one whose body is cut where it is longer than the host takes. */
function bodyOf({ request, response }: Exchange, { maxBodyBytes }: StreamDependencies): StreamedRequest {
  if (announcedBytes(request) !== undefined || request.headers["transfer-encoding"] === undefined)
    return request;
  const { headers, url, method } = request;
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
