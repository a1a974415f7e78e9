import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { RegisteredFunction } from "./core-api.ts";
import type { HostLog } from "./host-log.ts";
import { announcedBytes, readBody } from "./http-body.ts";
import { type HostProblemCode, rawProblem } from "./http-problem.ts";
import { writeFunctionResponse, writeProblem } from "./http-response.ts";
import type { Invoker } from "./invocation.ts";
import type { RouteTable } from "./routes.ts";

export interface HttpServerOptions {
  readonly port: number;
  readonly host: string;
  readonly routes: RouteTable;
  readonly invoker: Invoker;
  readonly maxBodyBytes: number;
  readonly log: HostLog;
}

export interface HttpFrontEnd {
  readonly port: number;
  /** Takes no new connection; requests that are being answered go on, each the last of its connection. */
  stopAccepting(): void;
  /** Closes every connection; `patienceMs` is what answers under way have to leave. */
  close(patienceMs?: number): Promise<void>;
}

/** Idle connections are kept as long as the cloud's front end keeps them, so that clients' pools are not cut short. */
const KEEP_ALIVE_MS = 230_000;
/**
 * How long a connection whose request was refused half-read stays open to take what the client still sends: closed
 * at once, the kernel would reset it and the client might never see the answer.
 */
const LINGER_MS = 1_000;
const LINGER_BYTES = 4 * 1024 * 1024;
const CLOSE_LOOK_MS = 10;
const NO_BODY_METHODS = new Set(["GET", "HEAD"]);
const HOST_PATTERN = /^[\w.-]+(:\d+)?$|^\[[0-9a-fA-F:.]+\](:\d+)?$/;

/** Serves the app's HTTP functions on node:http. Rejects with the listen error (EADDRINUSE). */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpFrontEnd> {
  const { log } = options;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true });
  let stopping = false;
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (stopping) response.setHeader("connection", "close");
    handle(request, response, options).catch((thrown) => {
      log.write("error", "Host.Http", `A request could not be answered: ${describe(thrown)}`);
      if (!response.headersSent) writeProblem(response, 500, "internal_error", "The host failed.");
      else response.destroy();
    });
  };
  server.on("request", onRequest);
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    // Told to wait with the body, the client sends none of one that will be refused anyway.
    if ((announcedBytes(request) ?? 0) <= options.maxBodyBytes) response.writeContinue();
    onRequest(request, response);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
    answerMalformed(error, socket as Socket),
  );
  const port = await listen(server, options.port, options.host);
  return {
    port,
    stopAccepting() {
      stopping = true;
      server.close();
      server.closeIdleConnections();
    },
    close: (patienceMs = 0) => closeConnections(server, patienceMs),
  };
}

async function closeConnections(server: Server, patienceMs: number): Promise<void> {
  if (server.listening) server.close();
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += CLOSE_LOOK_MS) {
    server.closeIdleConnections();
    const open = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    if (open === 0) return;
    await new Promise((resolve) => setTimeout(resolve, CLOSE_LOOK_MS));
  }
  server.closeAllConnections();
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
): Promise<void> {
  const { method = "GET", url: target = "/" } = request;
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  if (!path.startsWith("/"))
    return refuse(request, response, 400, "invalid_request", "The request names no path of this host.");
  const match = options.routes.match(method, path);
  if (match.kind === "not_found") {
    return refuse(request, response, 404, "route_not_found", `Nothing is served at ${path.slice(0, 200)}.`);
  }
  if (match.kind === "method_not_allowed") {
    return refuse(request, response, 405, "method_not_allowed", `${method} is not served here.`, {
      allow: match.allow.join(", "),
    });
  }
  let bytes: Buffer | undefined;
  if (!NO_BODY_METHODS.has(method)) {
    const body = await readBody(request, options.maxBodyBytes);
    if (body.kind === "cut") return;
    if (body.kind === "too_large") {
      const detail = `The body has more than ${options.maxBodyBytes} bytes.`;
      return refuse(request, response, 413, "request_too_large", detail);
    }
    bytes = body.bytes;
  }
  const authority = request.headers.host ?? "localhost";
  if (!HOST_PATTERN.test(authority)) {
    return refuse(request, response, 400, "invalid_request", "The Host header is not a host name.");
  }
  await answer(
    match.fn,
    match.params,
    { request, url: `http://${authority}${target}`, bytes },
    response,
    options,
  );
}

interface ReadRequest {
  readonly request: IncomingMessage;
  readonly url: string;
  readonly bytes: Buffer | undefined;
}

async function answer(
  fn: RegisteredFunction,
  params: Record<string, string>,
  { request, url, bytes }: ReadRequest,
  response: ServerResponse,
  { invoker, log }: HttpServerOptions,
): Promise<void> {
  const traceParent = request.headers.traceparent;
  try {
    const result = await invoker.invoke(fn, {
      data: {
        http: {
          url,
          method: request.method ?? "GET",
          // Only Set-Cookie comes as a list, and that is a header of answers.
          headers: request.headers as Record<string, string>,
          params,
          ...(bytes === undefined ? {} : { body: { bytes } }),
        },
      },
      ...(typeof traceParent === "string" ? { traceParent } : {}),
    });
    writeFunctionResponse(response, result.returnValue?.http);
  } catch (thrown) {
    log.write("error", `Function.${fn.name}`, `The function failed: ${describe(thrown)}`);
    if (response.headersSent) response.destroy();
    else writeProblem(response, 500, "internal_error", "The function failed; its log says why.");
  }
}

/**
 * Answers a request whose body has not been read. With a body still to come the connection ends after it: reading all
 * of it only to throw it away would let a client keep the host busy with bytes it refused.
 */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  code: HostProblemCode,
  detail: string,
  headers: Record<string, string> = {},
): void {
  const bodyToCome = announcedBytes(request) || request.headers["transfer-encoding"] !== undefined;
  if (!bodyToCome || request.complete || response.socket === null) {
    writeProblem(response, status, code, detail, headers);
    return;
  }
  // Past `response`: it would destroy the socket as soon as the answer is written.
  const { socket } = request;
  socket.end(rawProblem(status, code, detail, headers));
  linger(request, socket);
}

/** Takes what a refused client still sends, within bounds, and then closes the connection. */
function linger(request: IncomingMessage, socket: Socket): void {
  let bytes = 0;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) request.pause();
  });
  request.once("end", () => socket.destroy());
  request.resume();
}

function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  let text = rawProblem(400, "invalid_request", "This is not an HTTP/1.1 request.");
  if (error.code === "HPE_HEADER_OVERFLOW") {
    text = rawProblem(431, "invalid_request", "The headers are too long.");
  } else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    text = rawProblem(408, "invalid_request", "The request took too long to arrive.");
  }
  socket.end(text);
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
