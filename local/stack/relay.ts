import { connect, createServer, type Server, type Socket } from "node:net";

/** An instance as the relay sees it. */
export interface Instance {
  readonly port: number;
  /** The platform takes it away, or has done so: what it still answers is its last. */
  readonly isTaken: boolean;
  wake(): void;
}

/** Whoever knows the instances that requests may go to. */
export interface Upstreams {
  /** The instance that the next request is for, awake or to be woken; waits until there is one. */
  next(): Promise<Instance>;
  /** How many connections wait for an answer has changed. */
  onOpen(change: 1 | -1): void;
}

/**
 * The platform's front end before instances that are frozen and taken away: it passes bytes on, and so it knows when a
 * request comes on a connection that has long been open. A client keeps its connection while instances come and go;
 * only an instance that goes in the middle of a request takes the connection with it.
 */
export class Relay {
  readonly #server: Server;
  readonly #passages = new Set<Passage>();

  constructor(upstreams: Upstreams) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const passage = new Passage(socket, upstreams);
      this.#passages.add(passage);
      socket.once("close", () => this.#passages.delete(passage));
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

  /** Wakes an instance that is frozen though a request of a client is on its way to it. */
  wakeFor(instance: Instance): void {
    if ([...this.#passages].some((passage) => passage.isOpenAt(instance))) instance.wake();
  }

  /** Takes no new connection. */
  close(): void {
    this.#server.close();
  }

  closeAll(): void {
    for (const passage of this.#passages) passage.close();
  }
}

/** One client's connection, and the one to the instance that answers it now. */
class Passage {
  readonly #client: Socket;
  readonly #upstreams: Upstreams;
  #upstream: Socket | undefined;
  #instance: Instance | undefined;
  /** What came while an instance is looked for; undefined: none is. */
  #held: Buffer[] | undefined;
  /** The client has sent something that no byte has answered yet. */
  #isOpen = false;
  #clientEnded = false;

  constructor(client: Socket, upstreams: Upstreams) {
    this.#client = client;
    this.#upstreams = upstreams;
    client.on("data", (chunk) => this.#pass(chunk));
    client.once("end", () => {
      this.#clientEnded = true;
      if (this.#upstream !== undefined) this.#upstream.end();
      else if (this.#held === undefined) client.end();
    });
    // Whoever breaks it off, the other side hears of it by its end.
    client.on("error", () => undefined);
    client.once("close", () => {
      this.#setOpen(false);
      this.#upstream?.destroy();
    });
  }

  isOpenAt(instance: Instance): boolean {
    return this.#isOpen && this.#instance === instance;
  }

  close(): void {
    this.#client.destroy();
  }

  #pass(chunk: Buffer): void {
    // The platform sends no request to an instance that it takes away.
    if (!this.#isOpen && this.#instance?.isTaken === true) this.#leave();
    this.#setOpen(true);
    if (this.#held !== undefined) {
      this.#held.push(chunk);
    } else if (this.#upstream === undefined) {
      this.#held = [chunk];
      this.#client.pause();
      void this.#open();
    } else {
      this.#instance?.wake();
      if (!this.#upstream.write(chunk)) this.#client.pause();
    }
  }

  async #open(): Promise<void> {
    const instance = await this.#upstreams.next();
    if (this.#client.destroyed) return;
    this.#instance = instance;
    instance.wake();
    const upstream = connect({ port: instance.port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.#upstream = upstream;
    upstream.once("connect", () => {
      for (const chunk of this.#held ?? []) upstream.write(chunk);
      this.#held = undefined;
      if (this.#clientEnded) upstream.end();
      else this.#client.resume();
    });
    upstream.on("data", (chunk) => {
      this.#setOpen(false);
      if (!this.#client.write(chunk)) upstream.pause();
    });
    this.#client.on("drain", () => upstream.resume());
    upstream.on("drain", () => this.#client.resume());
    const ends = () => {
      if (this.#upstream === upstream) this.#upstreamEnds(instance);
    };
    upstream.once("end", ends).once("error", ends);
  }

  /** An idle connection of an instance that is taken away ends without the client: its next request goes to another. */
  #upstreamEnds(instance: Instance): void {
    this.#leave();
    if (this.#held !== undefined) void this.#open();
    else if (this.#isOpen) this.#client.resetAndDestroy();
    else if (!instance.isTaken || this.#clientEnded) this.#client.end();
  }

  #leave(): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    this.#instance = undefined;
    this.#client.removeAllListeners("drain");
    upstream?.destroy();
  }

  #setOpen(open: boolean): void {
    if (open === this.#isOpen) return;
    this.#isOpen = open;
    this.#upstreams.onOpen(open ? 1 : -1);
  }
}
