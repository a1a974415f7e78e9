import type { Broker } from "./broker.ts";
import type { Consumer, Delivery, Outcome } from "./consumer.ts";
import type { DeliveryIo, Settlement } from "./delivery-io.ts";
import type { AmqpError } from "./errors.ts";
import { type Lock, newToken, type SessionHold } from "./lock.ts";
import { encodeMessage, MESSAGE_STATE } from "./message-out.ts";
import { outcomeOf } from "./outcome.ts";
import type { Peer, Refuse } from "./peer.ts";
import { sequenceOf } from "./place.ts";
import type { Queue } from "./queue.ts";
import type { InsideSender } from "./rhea-inside.ts";

export interface LinkOutParts {
  readonly peer: Peer;
  readonly queue: Queue;
  readonly io: DeliveryIo;
  readonly link: InsideSender;
  readonly refuse: Refuse;
}

/** A client's receiving link: what it has credit for, what is under way to it, what it says of that. */
export class LinkOut implements Consumer {
  readonly deleteOnReceive: boolean;
  readonly hold: SessionHold | undefined;
  readonly #peer: Peer;
  readonly #broker: Broker;
  readonly #queue: Queue;
  readonly #io: DeliveryIo;
  readonly #link: InsideSender;
  /** Messages taken for this link whose locks are being stored. */
  #reserved = 0;
  /** Ready to go, but the peer's window is shut. */
  #backlog: Delivery[] = [];
  #stopWaiting: (() => void) | undefined;
  readonly #unsettled = new Set<number>();
  readonly #refuse: Refuse;
  #closed = false;

  constructor({ peer, queue, io, link, refuse }: LinkOutParts, hold: SessionHold | undefined) {
    this.#peer = peer;
    this.#broker = peer.broker;
    this.#queue = queue;
    this.#io = io;
    this.#link = link;
    this.#refuse = refuse;
    this.hold = hold;
    // Sender settles: the peer wants it over when it is sent.
    this.deleteOnReceive = link.remote.attach.snd_settle_mode === 1;
  }

  wants(): boolean {
    return !this.#closed && this.#backlog.length === 0 && this.#link.credit > this.#reserved;
  }

  reserve(): void {
    this.#reserved++;
  }

  send(delivery: Delivery): void {
    const { faults, drop } = this.#peer;
    if (!faults.active) {
      this.#deliver(delivery);
      return;
    }
    faults.apply("receive", this.#queue.settings.name, {
      proceed: (silent) => {
        this.#deliver(delivery);
        if (silent) drop();
      },
      refuse: (error) => {
        this.#refuse(error);
        this.close();
        this.#deliver(delivery);
      },
      drop,
      expireLock: () => {
        this.#deliver(delivery);
        this.#expire(delivery.lock);
      },
    });
  }

  #deliver(delivery: Delivery): void {
    this.#reserved--;
    if (this.#closed) this.#giveBack([delivery]);
    else if (this.#backlog.length > 0 || !this.#trySend(delivery)) this.#hold(delivery);
    this.#drainIfDone();
  }

  onFlow(): void {
    this.#sendBacklog();
    this.#broker.attempt(() => this.#queue.pump());
    // This follows the attach reply, which rhea writes at the end of this turn.
    if (this.#link._draining) setImmediate(() => this.#drainIfDone());
  }

  /** The link has gone. What was not sent yet is ready again; what was sent stays locked. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWaiting?.();
    this.#queue.removeConsumer(this);
    for (const id of this.#unsettled) this.#io.abandon(id);
    this.#unsettled.clear();
    const backlog = this.#backlog;
    this.#backlog = [];
    this.#giveBack(backlog);
  }

  #trySend({ meta, stored, lock }: Delivery): boolean {
    const payload = encodeMessage(stored, {
      sequenceNumber: sequenceOf(meta.id),
      deliveryCount: meta.deliveryCount,
      lockedUntil: lock?.until,
      state: MESSAGE_STATE.active,
    });
    if (this.#link.credit <= 0 || !this.#io.canSend(payload.length)) return false;
    if (lock === undefined) {
      this.#io.send(this.#link, newToken(), payload);
      return true;
    }
    const id = this.#io.send(this.#link, lock.token, payload, (settlement) =>
      this.#onSettlement(id, lock, settlement),
    );
    this.#unsettled.add(id);
    return true;
  }

  #hold(delivery: Delivery): void {
    this.#backlog.push(delivery);
    this.#stopWaiting ??= this.#io.onWindow(() => this.#sendBacklog());
  }

  #sendBacklog(): void {
    while (this.#backlog.length > 0) {
      if (!this.#trySend(this.#backlog[0] as Delivery)) return;
      this.#backlog.shift();
    }
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    this.#broker.attempt(() => this.#queue.pump());
  }

  #drainIfDone(): void {
    if (this.#closed || !this.#link._draining || this.#reserved > 0 || this.#backlog.length > 0) return;
    this.#link._draining = false;
    this.#io.drained(this.#link);
  }

  #giveBack(deliveries: readonly Delivery[]): void {
    const locks = deliveries.map(({ lock }) => lock).filter((lock) => lock?.live === true);
    if (locks.length === 0) return;
    this.#broker.attempt(() => {
      this.#broker.beginWrite();
      for (const lock of locks) if (lock !== undefined) this.#queue.release(lock, false);
      this.#queue.pump();
    });
  }

  /** False when the peer has not decided yet. */
  #onSettlement(id: number, lock: Lock, { settled, state }: Settlement): boolean {
    const outcome = outcomeOf(state, settled);
    if (outcome === undefined) return false;
    this.#unsettled.delete(id);
    const answer = (error: AmqpError | undefined) => {
      if (!settled) this.#io.confirm(id, error);
    };
    if ("condition" in outcome) answer(outcome);
    else this.#settle(lock, outcome, answer);
    return true;
  }

  #settle(lock: Lock, outcome: Outcome, answer: (error: AmqpError | undefined) => void): void {
    const { faults, drop } = this.#peer;
    const settle = (silent: boolean) => {
      this.#broker.write(
        () => {
          const error = this.#queue.settle(lock, outcome);
          if (outcome.kind !== "complete") this.#queue.pump();
          return error;
        },
        (error) => (silent ? drop() : answer(error)),
        answer,
      );
    };
    if (!faults.active) {
      settle(false);
      return;
    }
    const operation = outcome.kind === "release" ? "abandon" : outcome.kind;
    faults.apply(operation, this.#queue.settings.name, {
      proceed: settle,
      refuse: answer,
      drop,
      expireLock: () => {
        this.#expire(lock);
        settle(false);
      },
    });
  }

  #expire(lock: Lock | undefined): void {
    if (lock === undefined) return;
    this.#broker.attempt(() => {
      this.#queue.expireNow(lock);
      this.#queue.pump();
    });
  }
}
