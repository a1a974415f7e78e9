import { connect, type Socket } from "node:net";

export interface LeanAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One kept HTTP connection to a server whose answers all have a Content-Length, one request at a time. An HTTP library
 * would take from the cores what the service under load could use.
 */
export class LeanConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: LeanAnswer) => void; reject: (why: Error) => void } | undefined;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on("data", (chunk) => this.#receive(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  /** No more, once the server has closed it: an idle one it does after a while. */
  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** `head`: request line and headers, each with its line end. */
  ask(head: string, body: string): Promise<LeanAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("the connection was closed"));
      this.#waiting = { resolve, reject };
      this.#socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    const answer = {
      status: Number(head.slice(9, 12)),
      body: this.#received.toString("utf8", headEnd + 4, end),
    };
    this.#received = this.#received.subarray(end);
    this.#waiting?.resolve(answer);
  }

  #fail(why: Error): void {
    this.#waiting?.reject(why);
  }
}
