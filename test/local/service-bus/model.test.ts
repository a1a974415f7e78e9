import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { Broker } from "../../../local/service-bus/broker.ts";
import type { Consumer, Delivery, Outcome } from "../../../local/service-bus/consumer.ts";
import { readMessage } from "../../../local/service-bus/message-in.ts";
import { PLACE, placeRange, sequenceOf } from "../../../local/service-bus/place.ts";
import type { Queue } from "../../../local/service-bus/queue.ts";
import { type QueueSettings, queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { Store } from "../../../local/service-bus/store.ts";
import { type ModelMessage, QueueModel } from "./queue-model.ts";

const RUNS = process.env.LONG === "1" ? 1_000 : 50;
const LOCK_MS = 10_000;
const TTL_MS = 45_000;
const SETTINGS: QueueSettings = queueSettings("q", {
  lockDurationMs: LOCK_MS,
  maxDeliveryCount: 3,
  defaultTtlMs: TTL_MS,
  deadLetteringOnExpiration: true,
});
/** `amqp-value` "x". */
const BODY = Buffer.from([0x00, 0x53, 0x77, 0xa1, 0x01, 0x78]);

/** Takes one message when told. */
class Taker implements Consumer {
  readonly deleteOnReceive: boolean;
  readonly hold = undefined;
  #wanted = 0;
  #got: Delivery | undefined;

  constructor(deleteOnReceive: boolean) {
    this.deleteOnReceive = deleteOnReceive;
  }
  wants(): boolean {
    return this.#wanted > 0;
  }
  reserve(): void {
    this.#wanted--;
  }
  send(delivery: Delivery): void {
    this.#got = delivery;
  }
  takeFrom(queue: Queue, broker: Broker): Delivery | undefined {
    this.#got = undefined;
    this.#wanted = 1;
    queue.addConsumer(this);
    queue.pump();
    broker.flush();
    queue.removeConsumer(this);
    this.#wanted = 0;
    return this.#got;
  }
}

/** The broker beside its model; every step is done to both and compared. */
class Pair {
  clock = new ManualClock();
  readonly model = new QueueModel({ lockMs: LOCK_MS, maxDeliveryCount: 3, ttlMs: TTL_MS }, this.clock.now());
  readonly #store = new Store(":memory:");
  #broker = this.#open();
  /** Messages in hand, those whose locks have run out too. */
  #inHand: { message: ModelMessage; token: Buffer; until: number; dead: boolean }[] = [];
  #scheduled: { message: string; sequence: number }[] = [];
  #deferred: { message: string; sequence: number }[] = [];
  #sent = 0;

  #open(): Broker {
    return new Broker({
      store: this.#store,
      clock: this.clock,
      queues: [SETTINGS],
      log: (line) => {
        throw new Error(line);
      },
      onReset: () => undefined,
    });
  }

  #queue(dead = false): Queue {
    const queue = this.#broker.queue(dead ? "q/$deadletterqueue" : "q");
    if (queue === undefined) throw new Error("unreachable");
    return queue;
  }

  #write<T>(work: () => T): T {
    let value: { of: T } | undefined;
    this.#broker.write(
      work,
      (of) => {
        value = { of };
      },
      (why) => {
        throw new Error(why.description);
      },
    );
    this.#broker.flush();
    if (value === undefined) throw new Error("not stored");
    return value.of;
  }

  send(ttlMs: number, delayMs: number): void {
    const id = `m${this.#sent++}`;
    const scheduledAt = delayMs > 0 ? this.clock.now() + delayMs : undefined;
    const message = { ...readMessage(BODY), messageId: id, ttlMs, scheduledAt };
    const sequence = this.#write(() => this.#queue().enqueue(message, this.clock.now()));
    if (scheduledAt !== undefined) this.#scheduled.push({ message: id, sequence });
    this.model.send(id, ttlMs, scheduledAt);
  }

  receive(dead: boolean, deleteOnReceive: boolean): void {
    const expected = this.model.next(dead ? "dead" : "ready");
    const delivery = new Taker(deleteOnReceive).takeFrom(this.#queue(dead), this.#broker);
    expect(delivery?.stored.messageId).toBe(expected?.id);
    if (expected === undefined || delivery === undefined) return;
    expect(delivery.meta.deliveryCount).toBe(expected.deliveryCount);
    if (deleteOnReceive) {
      this.model.remove(expected);
      return;
    }
    this.model.lock(expected);
    this.#keep(expected, delivery, dead);
  }

  #keep(message: ModelMessage, { lock, meta }: Delivery, dead: boolean): void {
    if (lock === undefined) throw new Error("not locked");
    expect(lock.until).toBe(message.lockedUntil);
    this.#inHand.push({ message, token: lock.token, until: lock.until, dead });
    this.#deferred.push({ message: message.id, sequence: sequenceOf(meta.id) });
  }

  settle(pick: number, outcome: Outcome): void {
    const [held] = this.#inHand.splice(pick % Math.max(this.#inHand.length, 1), 1);
    if (held === undefined || (held.dead && outcome.kind === "deadLetter")) return;
    const { message, token, dead } = held;
    const lost = held.until <= this.clock.now();
    const queue = this.#queue(dead);
    const error = this.#write(() => queue.settle(queue.lockByToken(token), outcome));
    expect(error?.condition).toBe(lost ? "com.microsoft:message-lock-lost" : undefined);
    if (lost) return;
    if (outcome.kind === "complete") this.model.remove(message);
    else if (outcome.kind === "abandon") this.model.fail(message);
    else if (outcome.kind === "deadLetter") this.model.settleAs(message, "dead");
    else this.model.settleAs(message, "deferred");
  }

  /** The model knows no deferred dead letters: those are completed. */
  defer(pick: number): void {
    const held = this.#inHand[pick % Math.max(this.#inHand.length, 1)];
    this.settle(pick, { kind: held?.dead === true ? "complete" : "defer" });
  }

  renew(pick: number): void {
    const held = this.#inHand[pick % Math.max(this.#inHand.length, 1)];
    if (held === undefined) return;
    const lost = held.until <= this.clock.now();
    const until = this.#write(() => this.#queue(held.dead).renew(held.token));
    expect(typeof until).toBe(lost ? "object" : "number");
    if (lost || typeof until !== "number") return;
    this.model.lock(held.message);
    held.until = until;
    expect(until).toBe(held.message.lockedUntil);
  }

  receiveDeferred(pick: number): void {
    const wanted = this.#deferred[pick % Math.max(this.#deferred.length, 1)];
    if (wanted === undefined) return;
    const message = this.model.messages.find(({ id }) => id === wanted.message);
    const there = message?.state === "deferred" && message.lockedUntil === undefined;
    let delivery: Delivery | undefined;
    this.#broker.write(
      () => this.#queue().receiveDeferred([wanted.sequence], false)[0],
      (one) => {
        delivery = one;
      },
      (why) => expect(why.condition).toBe("com.microsoft:message-not-found"),
    );
    this.#broker.flush();
    expect(delivery !== undefined).toBe(there);
    if (delivery === undefined || message === undefined) return;
    this.model.lock(message);
    this.#keep(message, delivery, false);
  }

  cancel(pick: number): void {
    const [wanted] = this.#scheduled.splice(pick % Math.max(this.#scheduled.length, 1), 1);
    if (wanted === undefined) return;
    const message = this.model.messages.find(({ id }) => id === wanted.message);
    const there = message?.state === "scheduled";
    expect(this.#queue().isScheduled(wanted.sequence)).toBe(there);
    if (!there || message === undefined) return;
    this.#write(() => this.#queue().cancelScheduled(wanted.sequence));
    this.model.remove(message);
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.model.advance(ms);
  }

  /** Another broker over the same store, as after a crash: nothing but what is stored is left. */
  restart(): void {
    this.#broker.flush();
    // The dead process's timers die with it.
    this.clock = new ManualClock(this.clock.now());
    this.#broker = this.#open();
  }

  compare(): void {
    // What a settlement made due is done when the clock is looked at next.
    this.clock.advance(0);
    this.#broker.flush();
    const count = (place: (typeof PLACE)[keyof typeof PLACE]) => {
      const { first, last } = placeRange(this.#queue().number, place);
      return this.#store.count(first, last);
    };
    const locked = this.#queue().lockCounts();
    expect({
      ready: count(PLACE.ready) - locked.ready,
      locked: locked.ready + locked.deferred,
      deferred: count(PLACE.deferred) - locked.deferred,
      scheduled: count(PLACE.scheduled),
      dead: count(PLACE.dead),
    }).toEqual(this.model.counts());
  }

  drain(): void {
    for (const dead of [false, true]) {
      while (this.model.next(dead ? "dead" : "ready") !== undefined) this.receive(dead, true);
      this.receive(dead, true);
    }
    this.#broker.close();
  }
}

type Step = (pair: Pair) => void;
const pick = fc.nat({ max: 5 });
const named = <T>(values: fc.Arbitrary<T>, name: string, run: (pair: Pair, value: T) => void) =>
  values.map((value): [string, Step] => [`${name} ${JSON.stringify(value)}`, (pair) => run(pair, value)]);
const sends = fc.record({
  ttlMs: fc.integer({ min: 1_000, max: 60_000 }),
  delayMs: fc.constantFrom(0, 0, 0, 7_001),
});
const receives = fc.record({
  dead: fc.constantFrom(false, false, false, true),
  deleteOnReceive: fc.constantFrom(false, false, false, false, true),
});

/** Weighted so that most sequences have messages in hand, and some of them fail too often. */
const step: fc.Arbitrary<[string, Step]> = fc.oneof(
  { weight: 4, arbitrary: named(sends, "send", (p, { ttlMs, delayMs }) => p.send(ttlMs, delayMs)) },
  { weight: 6, arbitrary: named(receives, "receive", (p, r) => p.receive(r.dead, r.deleteOnReceive)) },
  { weight: 4, arbitrary: named(pick, "abandon", (p, n) => p.settle(n, { kind: "abandon" })) },
  { weight: 2, arbitrary: named(pick, "complete", (p, n) => p.settle(n, { kind: "complete" })) },
  { weight: 2, arbitrary: named(pick, "defer", (p, n) => p.defer(n)) },
  {
    weight: 1,
    arbitrary: named(pick, "dead-letter", (p, n) => p.settle(n, { kind: "deadLetter", changes: new Map() })),
  },
  { weight: 2, arbitrary: named(pick, "renew", (p, n) => p.renew(n)) },
  { weight: 2, arbitrary: named(pick, "receive deferred", (p, n) => p.receiveDeferred(n)) },
  { weight: 1, arbitrary: named(pick, "cancel", (p, n) => p.cancel(n)) },
  { weight: 3, arbitrary: named(fc.integer({ min: 1, max: 12_000 }), "advance", (p, ms) => p.advance(ms)) },
  { weight: 1, arbitrary: named(fc.constant(0), "restart", (p) => p.restart()) },
);

test("any sequence of operations leaves the queue as its model says", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 80, size: "max" }), (steps) => {
      const pair = new Pair();
      for (const [, run] of steps) {
        run(pair);
        pair.compare();
      }
      pair.drain();
    }),
    { numRuns: RUNS },
  );
});
