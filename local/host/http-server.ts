import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { answerBare, bareText, refuse } from "./bare-answer.ts";
import { describe, type Exchange } from "./exchange.ts";
import type { HostLog } from "./host-log.ts";
import { type HomePage, hostsOwnAnswer } from "./hosts-own.ts";
import type { Invoker } from "./invocation.ts";
import type { InvocationIds } from "./invocation-ids.ts";
import { announcedBytes } from "./request-body.ts";
import { MAX_HEAD_BYTES, readHead } from "./request-headers.ts";
import type { RouteTable } from "./routes.ts";
import { answerStreamed } from "./streamed-exchange.ts";
import { answerWhole } from "./whole-exchange.ts";

export interface HttpServerOptions {
  readonly port: number;
  readonly host: string;
  readonly routes: RouteTable;
  readonly invoker: Invoker;
  readonly maxBodyBytes: number;
  readonly homePage: HomePage;
  /** Where the app streams. */
  readonly streams: Streams | undefined;
  readonly log: HostLog;
}

export interface Streams {
  /** The library's own server, see answerStreamed. */
  readonly proxy: Server;
  readonly ids: InvocationIds;
}

export interface HttpFrontEnd {
  readonly port: number;
  /** Serves a connection that another process has accepted. */
  accept(socket: Socket): void;
  /** Takes no new connection; requests that are being answered go on, each the last of its connection. */
  stopAccepting(): void;
  /** Closes every connection; `patienceMs` is what answers under way have to leave. */
  close(patienceMs?: number): Promise<void>;
}

/** The cloud's front end keeps a connection on which nothing happens for this long, idle or not. */
const SILENCE_MS = 230_000;
const CLOSE_LOOK_MS = 10;

/** Serves the app's HTTP functions on node:http. Rejects with the listen error (EADDRINUSE). */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpFrontEnd> {
  const { log, streams, maxBodyBytes } = options;
  const server = createServer({ keepAliveTimeout: SILENCE_MS, noDelay: true, maxHeaderSize: MAX_HEAD_BYTES });
  // The host counts them itself, and refuses where Node would drop some.
  server.maxHeadersCount = 0;
  server.timeout = SILENCE_MS;
  let stopping = false;
  // The server's own count knows nothing of connections that were handed to it.
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (stopping) response.setHeader("connection", "close");
    handle(request, response, options).catch((thrown) => {
      log.write("error", "Host.Http", `A request could not be answered: ${describe(thrown)}`);
      if (!response.headersSent) answerBare(response, 500);
      else response.destroy();
    });
  };
  server.on("request", onRequest);
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    // A client that is told to wait sends nothing of a body that will be refused anyway.
    if ((announcedBytes(request) ?? 0) <= maxBodyBytes) response.writeContinue();
    onRequest(request, response);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
    answerMalformed(error, socket as Socket),
  );
  streams?.ids.serve(server);
  const port = await listen(server, options.port, options.host);
  return {
    port,
    accept(socket) {
      // The same as for connections it accepts itself: a client that has sent everything may still listen.
      socket.allowHalfOpen = true;
      server.emit("connection", socket);
    },
    stopAccepting() {
      stopping = true;
      server.close();
      server.closeIdleConnections();
    },
    close: (patienceMs = 0) => closeConnections(server, open, patienceMs),
  };
}

async function closeConnections(
  server: Server,
  open: ReadonlySet<Socket>,
  patienceMs: number,
): Promise<void> {
  if (server.listening) server.close();
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += CLOSE_LOOK_MS) {
    server.closeIdleConnections();
    if (open.size === 0) return;
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
  const { routes, maxBodyBytes, homePage, streams } = options;
  const head = readHead(request);
  if (head.refusal !== undefined) {
    response.setHeader("connection", "close");
    return refuse(request, response, head.refusal);
  }
  const { method = "GET", url: target = "/" } = request;
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  // Kestrel's rule: that target is the whole server's, and only OPTIONS may ask for it.
  if (path === "*" && method !== "OPTIONS") return refuse(request, response, 405);
  const own = hostsOwnAnswer(path);
  if (own !== undefined) return refuse(request, response, own);
  const match = routes.match(method, path);
  if (match === undefined) {
    if (path === "/") return homePage(response);
    return refuse(request, response, 404);
  }
  const authority = head.headers.host ?? "";
  // HTTP/1.0 may leave the host out; the cloud's host then fails to put a URL together, as it fails over its limit.
  if (authority === "" || (announcedBytes(request) ?? 0) > maxBodyBytes)
    return refuse(request, response, 500);
  const exchange: Exchange = { match, head, request, response, authority };
  if (streams === undefined) await answerWhole(exchange, options);
  else await answerStreamed(exchange, { ...options, proxy: streams.proxy });
}

function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  let status = 400;
  if (error.code === "HPE_HEADER_OVERFLOW") status = 431;
  else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") status = 408;
  socket.end(bareText(status));
}
