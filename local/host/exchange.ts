import type { IncomingMessage, ServerResponse } from "node:http";
import type { HostLog } from "./host-log.ts";
import type { Invoker } from "./invocation.ts";
import type { Head } from "./request-headers.ts";
import type { RouteMatch } from "./routes.ts";

/** A request that a function will answer, and where its answer goes. */
export interface Exchange {
  readonly match: RouteMatch;
  readonly head: Head;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What stands before the path: the Host header's name and port. */
  readonly authority: string;
}

export interface ExchangeDependencies {
  readonly invoker: Pick<Invoker, "invoke">;
  readonly log: HostLog;
}

export function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
