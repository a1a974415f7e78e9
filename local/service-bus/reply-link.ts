import rhea, { type Message } from "rhea";
import type { DeliveryIo } from "./delivery-io.ts";
import { newToken } from "./lock.ts";
import type { InsideSender } from "./rhea-inside.ts";

/** Replies that wait for credit; a client that never gives any must not fill the memory. */
const MAX_WAITING_REPLIES = 1_000;

/** The link on which answers to $cbs and $management requests go back. */
export class ReplyLink {
  readonly #io: DeliveryIo;
  readonly #link: InsideSender;
  readonly #waiting: Buffer[] = [];

  constructor(io: DeliveryIo, link: InsideSender) {
    this.#io = io;
    this.#link = link;
  }

  reply(answer: Message): void {
    if (this.#waiting.length < MAX_WAITING_REPLIES)
      this.#waiting.push(rhea.message.encode(answer) as unknown as Buffer);
    this.onCredit();
  }

  onCredit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#link.credit <= 0 || !this.#io.canSend(next.length)) return;
      this.#waiting.shift();
      this.#io.send(this.#link, newToken(), next);
    }
  }
}
