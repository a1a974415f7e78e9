import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Passes connections on to a server on loopback, until it is told to break them. */
export class Relay {
  readonly #server = createServer((client) => this.#passOn(client));
  readonly #clients = new Set<Socket>();
  readonly #to: string;

  /** @param to the server's URL */
  constructor(to: string) {
    this.#to = to;
  }

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #passOn(client: Socket): void {
    const server = connect(Number(new URL(this.#to).port), "127.0.0.1");
    this.#clients.add(client);
    client.on("close", () => this.#clients.delete(client));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  }

  /** Breaks all connections that there are. */
  breakAll(): void {
    for (const client of this.#clients) client.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.breakAll();
    this.#server.close();
    await once(this.#server, "close");
  }
}
