import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";

/** A request that reached this process, until its client has the answer. */
export interface Arrived {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** By the id of the invocation that each names. */
const underWay = new Map<string, Arrived>();
export const arrived: ReadonlyMap<string, Arrived> = underWay;
/** Invocations whose client has left, some of which may not have begun. */
const left = new Set<string>();
/** Of those the newest are remembered. */
const MOST_LEFT = 1_000;

/**
 * Watches the clients of HTTP invocations: neither host nor library tells a function that its client has left, but each
 * request that reaches this process names its invocation, and its response closes unfinished.
 */
export function watchClients(): void {
  subscribe("http.server.request.start", (message) => {
    const { request, response } = message as Arrived;
    const id = request.headers["x-ms-invocation-id"];
    if (typeof id !== "string") return;
    underWay.set(id, { request, response });
    response.once("close", () => {
      // A made-up id may come twice.
      if (underWay.get(id)?.response === response) underWay.delete(id);
      if (response.writableFinished) return;
      left.add(id);
      for (const oldest of left.size > MOST_LEFT ? left.keys().take(1) : []) left.delete(oldest);
    });
  });
}

/**
 * Calls `run` if the client of an invocation leaves before its answer, at once where it has left; the function returned
 * stops that.
 */
export function onLeft(invocationId: string, run: () => void): () => void {
  if (left.has(invocationId)) {
    run();
    return () => undefined;
  }
  const response = underWay.get(invocationId)?.response;
  const closed = () => {
    if (response?.writableFinished === false) run();
  };
  response?.once("close", closed);
  return () => response?.off("close", closed);
}
