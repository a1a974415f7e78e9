import rhea, { type Message } from "rhea";
import type { DeliveryIo } from "./delivery-io.ts";
import { newToken } from "./lock.ts";
import type { InsideSender } from "./rhea-inside.ts";

/** Replies that wait for credit; a client that never gives any must not fill the memory. */
const MAX_WAITING_REPLIES = 1_000;

/** The link on which answers to $cbs and $management requests go back. */
export class ReplyLink {
  readonly io: DeliveryIo;
  readonly #link: InsideSender;
  readonly #waiting: Buffer[] = [];
  #stopWaiting: (() => void) | undefined;

  constructor(io: DeliveryIo, link: InsideSender) {
    this.io = io;
    this.#link = link;
  }

  reply(answer: Message): void {
    if (this.#waiting.length < MAX_WAITING_REPLIES)
      this.#waiting.push(rhea.message.encode(answer) as unknown as Buffer);
    this.send();
  }

  /** Sends what there is credit and room for. */
  send(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#link.credit <= 0) return;
      if (!this.io.canSend(next.length)) {
        this.#stopWaiting ??= this.io.onWindow(() => this.send());
        return;
      }
      this.#waiting.shift();
      this.io.send(this.#link, newToken(), next);
    }
    this.close();
  }

  close(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }
}

/**
 * The reply links of one connection, by the node that answers ("$cbs", "q/$management") and the name that requests
 * give for the reply. Clients may give the same name on several nodes and in several sessions.
 */
export class ReplyLinks {
  readonly #links = new Map<string, ReplyLink[]>();

  /** The function returned takes it out again. */
  add(node: string, names: readonly string[], link: ReplyLink): () => void {
    const keys = names.map((name) => key(node, name));
    for (const at of keys) this.#links.set(at, [...(this.#links.get(at) ?? []), link]);
    return () => {
      link.close();
      for (const at of keys) {
        const others = this.#links.get(at)?.filter((one) => one !== link) ?? [];
        if (others.length > 0) this.#links.set(at, others);
        else this.#links.delete(at);
      }
    };
  }

  /** The one in the session of the request before any other. */
  find(node: string, name: string, io: DeliveryIo): ReplyLink | undefined {
    const links = this.#links.get(key(node, name));
    return links?.find((link) => link.io === io) ?? links?.at(-1);
  }
}

function key(node: string, name: string): string {
  return `${node.toLowerCase()}\n${name}`;
}
