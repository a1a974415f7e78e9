import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers under way, by the id of their invocation. */
const underWay = new Map<string, ServerResponse>();

/**
 * Watches the clients of HTTP invocations: neither host nor library tells a function that its client has left, but each
 * request that reaches this process names its invocation, and its response closes unfinished.
 */
export function watchClients(): void {
  subscribe("http.server.request.start", (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    const id = request.headers["x-ms-invocation-id"];
    if (typeof id !== "string") return;
    underWay.set(id, response);
    response.once("close", () => underWay.delete(id));
  });
}

/** Calls `run` if the client of an invocation leaves before its answer; the function returned stops that. */
export function onLeft(invocationId: string, run: () => void): () => void {
  const response = underWay.get(invocationId);
  const closed = () => {
    if (response?.writableFinished === false) run();
  };
  response?.once("close", closed);
  return () => response?.off("close", closed);
}
