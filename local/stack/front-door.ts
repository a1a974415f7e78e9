import type { ChildProcess } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";

/** What a host process says of a connection it was handed. `id` is the id of the message it came with. */
interface Answer {
  readonly taken?: number;
  readonly refused?: number;
}

interface HandOver {
  readonly id: number;
  readonly socket: Socket;
}

/**
 * One port for several host processes: connections are handed to them in turn, each to a process that has taken its
 * last one, so that a frozen process gets at most one more. A connection stays open here until the process has it: when
 * that dies first, no one knows how much of the request it has read, and the client is told by a reset.
 */
export class FrontDoor {
  readonly #server: Server;
  /** Those that have taken their last connection, the one that has waited longest first. */
  #free: ChildProcess[] = [];
  readonly #handing = new Map<ChildProcess, HandOver>();
  readonly #waiting: Socket[] = [];
  #lastId = 0;
  #closed = false;

  constructor() {
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      // The process that it is handed to hears of its errors.
      socket.on("error", () => undefined);
      this.#waiting.push(socket);
      this.#handOver();
    });
  }

  /** Resolves with the port. Rejects with the listen error (EADDRINUSE). */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => {
        this.#server.off("error", reject);
        resolve((this.#server.address() as { port: number }).port);
      });
    });
  }

  /** Hands connections to this process too, until it ends or takes no more. */
  open(host: ChildProcess): void {
    host.on("message", ({ taken, refused }: Answer) => {
      if (taken !== undefined && this.#settle(host, taken)?.destroy() !== undefined) this.#free.push(host);
      const back = refused === undefined ? undefined : this.#settle(host, refused);
      if (back !== undefined) this.#waiting.unshift(back);
      this.#handOver();
    });
    host.once("exit", () => {
      this.#free = this.#free.filter((other) => other !== host);
      this.#handing.get(host)?.socket.resetAndDestroy();
      this.#handing.delete(host);
    });
    this.#free.push(host);
    this.#handOver();
  }

  /** Takes no more connections, and resets those that no process has. */
  close(): void {
    this.#closed = true;
    this.#server.close();
    for (const { socket } of this.#handing.values()) socket.resetAndDestroy();
    for (const socket of this.#waiting.splice(0)) socket.resetAndDestroy();
  }

  #handOver(): void {
    for (;;) {
      const [host] = this.#free;
      const socket = host === undefined || this.#closed ? undefined : this.#waiting.shift();
      if (host === undefined || socket === undefined) return;
      if (socket.destroyed) continue;
      this.#free.shift();
      const id = ++this.#lastId;
      this.#handing.set(host, { id, socket });
      host.send({ connection: id }, socket, { keepOpen: true }, (error) => {
        // It never left: another process may have it.
        const back = error === null ? undefined : this.#settle(host, id);
        if (back === undefined) return;
        this.#waiting.unshift(back);
        this.#handOver();
      });
    }
  }

  /** The connection that the process has answered for, if it is the one it was handed last. */
  #settle(host: ChildProcess, id: number): Socket | undefined {
    const handing = this.#handing.get(host);
    if (handing?.id !== id) return undefined;
    this.#handing.delete(host);
    return handing.socket;
  }
}
