import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, Server } from "node:http";
import { INVOCATION_ID } from "./request-headers.ts";

/** Node tells of each request here, before the server's own listeners hear of it. */
const REQUEST_START = "http.server.request.start";

interface RequestStart {
  readonly request: IncomingMessage;
  readonly server: Server;
}

/**
 * Gives each request of one server the id of its invocation, as a streamed request has it when it reaches the cloud's
 * worker: an app that listens to Node's channel finds it there. Create it before the app loads, because the first
 * listener hears first. A client's own id stays, as it does in the cloud.
 */
export class InvocationIds {
  #server: Server | undefined;
  readonly #give = (message: unknown) => {
    const { request, server } = message as RequestStart;
    if (server === this.#server) request.headers[INVOCATION_ID] ??= randomUUID();
  };

  constructor() {
    subscribe(REQUEST_START, this.#give);
  }

  /** Gives ids to the requests of this server from now on. */
  serve(server: Server): void {
    this.#server = server;
  }

  close(): void {
    unsubscribe(REQUEST_START, this.#give);
  }
}
