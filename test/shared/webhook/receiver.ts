import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A server that endpoints point at: it keeps what comes, and answers as it is told, by path. */
export class Receiver {
  readonly received: Received[] = [];
  readonly #answers = new Map<string, (response: ServerResponse) => void>();
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      this.received.push({ path, headers: request.headers, body: Buffer.concat(chunks).toString() });
      const answer = this.#answers.get(path);
      if (answer === undefined) response.writeHead(204).end();
      else answer(response);
    });
  });

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path = "/"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Undefined: it is taken. */
  answer(path: string, how: number | ((response: ServerResponse) => void) | undefined): void {
    if (how === undefined) this.#answers.delete(path);
    else this.#answers.set(path, typeof how === "number" ? (response) => response.writeHead(how).end() : how);
  }

  at(path: string): Received[] {
    return this.received.filter((each) => each.path === path);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
