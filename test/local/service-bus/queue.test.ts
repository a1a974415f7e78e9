import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { receive, receiveNothing, receiveOne, startEmulator } from "./emulator.ts";

describe("sending", () => {
  test("a message arrives as it was sent", async () => {
    const { client } = await startEmulator();
    await client.createSender("q").sendMessages({
      body: { text: "grüß dich", n: 1 },
      messageId: "id-1",
      correlationId: "c",
      subject: "s",
      contentType: "application/json",
      replyTo: "r",
      to: "t",
      timeToLive: 60_000,
      applicationProperties: { flag: true, count: 3, text: "x" },
    });
    const message = await receiveOne(client.createReceiver("q"));
    expect(message).toMatchObject({
      body: { text: "grüß dich", n: 1 },
      messageId: "id-1",
      correlationId: "c",
      subject: "s",
      contentType: "application/json",
      replyTo: "r",
      to: "t",
      timeToLive: 60_000,
      applicationProperties: { flag: true, count: 3, text: "x" },
      deliveryCount: 0,
      state: "active",
    });
    expect(message.sequenceNumber?.toNumber()).toBe(1);
    expect(message.enqueuedSequenceNumber).toBe(0); // that of another queue, had it been forwarded
  });

  test("a message without an id is given one", async () => {
    const { client } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1, subject: "kept" });
    const message = await receiveOne(client.createReceiver("q"));
    expect(message.messageId).toMatch(/^[0-9a-f]{32}$/);
    expect(message.subject).toBe("kept");
  });

  test("a raw message with a footer, which rhea writes before the body", async () => {
    const { client } = await startEmulator();
    const raw = {
      body: [1, 2],
      bodyType: "sequence" as const,
      properties: { messageId: "raw" },
      footer: { f: 1 },
    };
    await client.createSender("q").sendMessages(raw);
    const message = await receiveOne(client.createReceiver("q"));
    expect(message).toMatchObject({ messageId: "raw", body: [1, 2] });
    expect(message._rawAmqpMessage.footer).toEqual({ f: 1 });
  });

  test.each([
    ["one property over 32 KB", { a: "x".repeat(32_768) }],
    ["properties over 64 KB", { a: "x".repeat(30_000), b: "x".repeat(30_000), c: "x".repeat(6_000) }],
  ])("%s is refused, and the link still works", async (_, applicationProperties) => {
    const { client, server } = await startEmulator();
    const sender = client.createSender("q");
    await expect(sender.sendMessages({ body: 1, applicationProperties })).rejects.toThrow(/32768 bytes each/);
    await sender.sendMessages({ body: 1, applicationProperties: { a: "x".repeat(32_000) } });
    expect(server.counters()).toMatchObject({ "q.ready": 1 });
  });

  test("a message up to the limit comes back in many frames", async () => {
    const { client } = await startEmulator();
    const body = Buffer.alloc(261_000, "x");
    await client.createSender("q").sendMessages({ body });
    const message = await receiveOne(client.createReceiver("q"));
    expect(body.equals(message.body)).toBe(true);
  });

  test.each([
    ["a message", { body: Buffer.alloc(262_145) }],
    ["a far too large message", { body: Buffer.alloc(3_000_000) }],
    ["a batch", Array.from({ length: 30 }, () => ({ body: Buffer.alloc(10_000) }))],
  ])("%s over 256 KB is refused, and the link still works", async (_, messages) => {
    const { client, server } = await startEmulator();
    const sender = client.createSender("q");
    await expect(sender.sendMessages(messages)).rejects.toMatchObject({ code: "MessageSizeExceeded" });
    await sender.sendMessages({ body: "small" });
    expect(server.counters()).toMatchObject({ "q.ready": 1 });
  });

  test("the limit tells createMessageBatch when it is full", async () => {
    const { client } = await startEmulator();
    const batch = await client.createSender("q").createMessageBatch();
    expect(batch.maxSizeInBytes).toBe(262_144);
  });

  test("an unknown queue", async () => {
    const { client } = await startEmulator();
    const error = { code: "MessagingEntityNotFound" };
    await expect(client.createSender("nope").sendMessages({ body: 1 })).rejects.toMatchObject(error);
    await expect(client.createReceiver("nope").receiveMessages(1)).rejects.toMatchObject(error);
    await expect(client.createReceiver("nope").peekMessages(1)).rejects.toMatchObject(error);
  });

  test("names are the same in any case of letters", async () => {
    const { client } = await startEmulator({ queues: [queueSettings("Orders")] });
    await client.createSender("ORDERS").sendMessages({ body: 1 });
    expect((await receiveOne(client.createReceiver("orders"))).body).toBe(1);
  });
});

describe("settling", () => {
  test("complete, abandon with properties, dead-letter, defer", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages([1, 2, 3, 4].map((body) => ({ body })));
    const receiver = client.createReceiver("q");
    const [first, second, third, fourth] = await receive(receiver, 4);
    if (!first || !second || !third || !fourth) throw new Error("unreachable");
    await receiver.completeMessage(first);
    await receiver.abandonMessage(second, { why: "not yet", n: 7 });
    await receiver.deadLetterMessage(third, {
      deadLetterReason: "bad",
      deadLetterErrorDescription: "no good",
      extra: "e",
    });
    await receiver.deferMessage(fourth, { later: true });
    expect(server.counters()).toMatchObject({ "q.ready": 1, "q.dead": 1, "q.deferred": 1, "q.locked": 0 });

    const again = await receiveOne(receiver);
    expect(again).toMatchObject({
      body: 2,
      deliveryCount: 1,
      applicationProperties: { why: "not yet", n: 7 },
    });
    expect(again.sequenceNumber).toEqual(second.sequenceNumber);

    const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
    expect(dead).toMatchObject({
      body: 3,
      deadLetterReason: "bad",
      deadLetterErrorDescription: "no good",
      deadLetterSource: "q",
      applicationProperties: { extra: "e" },
    });

    const sequence = fourth.sequenceNumber;
    if (sequence === undefined) throw new Error("unreachable");
    const [deferred] = await receiver.receiveDeferredMessages(sequence);
    expect(deferred).toMatchObject({ body: 4, state: "deferred", applicationProperties: { later: true } });
    if (deferred) await receiver.completeMessage(deferred);
    expect(server.counters()).toMatchObject({ "q.deferred": 0 });
  });

  test("an abandoned deferred message stays deferred", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    const message = await receiveOne(receiver);
    await receiver.deferMessage(message);
    const sequence = message.sequenceNumber;
    if (sequence === undefined) throw new Error("unreachable");
    for (const deliveryCount of [1, 2]) {
      const [deferred] = await receiver.receiveDeferredMessages(sequence);
      expect(deferred).toMatchObject({ deliveryCount, state: "deferred" });
      if (deferred) await receiver.abandonMessage(deferred);
    }
    expect(server.counters()).toMatchObject({ "q.deferred": 1, "q.ready": 0 });
  });

  test("deferred messages that are not there", async () => {
    const { client } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    const { sequenceNumber } = await receiveOne(receiver);
    if (sequenceNumber === undefined) throw new Error("unreachable");
    const receiving = receiver.receiveDeferredMessages(sequenceNumber.add(98));
    await expect(receiving).rejects.toMatchObject({ code: "MessageNotFound" });
  });

  test("what was abandoned comes again before what is newer", async () => {
    const { client } = await startEmulator();
    await client.createSender("q").sendMessages([1, 2, 3].map((body) => ({ body })));
    const receiver = client.createReceiver("q");
    await receiver.abandonMessage(await receiveOne(receiver));
    expect((await receive(receiver, 3)).map(({ body }) => body)).toEqual([1, 2, 3]);
  });

  test("too many deliveries end in the dead letters", async () => {
    const { client } = await startEmulator({ queues: [queueSettings("q", { maxDeliveryCount: 3 })] });
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    for (const deliveryCount of [0, 1, 2]) {
      const message = await receiveOne(receiver);
      expect(message.deliveryCount).toBe(deliveryCount);
      await receiver.abandonMessage(message);
    }
    const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
    expect(dead).toMatchObject({
      deadLetterReason: "MaxDeliveryCountExceeded",
      deadLetterErrorDescription: "Message could not be consumed after 3 delivery attempts.",
      deliveryCount: 3,
    });
  });

  test("the dead letters: abandoned, deferred, peeked, renewed, completed, never dead-lettered again", async () => {
    const { client, server } = await startEmulator({ queues: [queueSettings("q", { maxDeliveryCount: 1 })] });
    await client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]);
    const receiver = client.createReceiver("q");
    for (const message of await receive(receiver, 2)) await receiver.deadLetterMessage(message);
    const dead = client.createReceiver("q", { subQueueType: "deadLetter" });
    expect((await dead.peekMessages(5)).map(({ body }) => body)).toEqual([1, 2]);
    for (let n = 0; n < 3; n++) {
      const message = await receiveOne(dead);
      expect(message).toMatchObject({ body: 1, deliveryCount: 0 });
      await dead.abandonMessage(message);
    }
    const message = await receiveOne(dead);
    expect(await dead.renewMessageLock(message)).toBeInstanceOf(Date);
    await expect(dead.deadLetterMessage(message)).rejects.toThrow(/cannot be dead-lettered/);
    expect(server.counters()).toMatchObject({ "q.dead": 2 });
    const other = await receiveOne(dead);
    await dead.deferMessage(other);
    const sequence = other.sequenceNumber;
    if (sequence === undefined) throw new Error("unreachable");
    const [deferred] = await dead.receiveDeferredMessages(sequence);
    if (deferred) await dead.completeMessage(deferred);
    expect(server.counters()).toMatchObject({ "q.dead": 1 });
  });

  test("dead-lettered without a reason, it has none", async () => {
    const { client } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    await receiver.deadLetterMessage(await receiveOne(receiver));
    const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
    expect(dead.deadLetterReason).toBeUndefined();
    expect(dead.applicationProperties).toBeUndefined();
  });

  test("the transfer dead-letter queue is there, and empty", async () => {
    const { client } = await startEmulator();
    const transfer = client.createReceiver("q", { subQueueType: "transferDeadLetter" });
    expect(await receiveNothing(transfer)).toEqual([]);
    expect(await transfer.peekMessages(1)).toEqual([]);
  });

  test("nothing can be sent to the dead letters", async () => {
    const { client } = await startEmulator();
    await expect(client.createSender("q/$DeadLetterQueue").sendMessages({ body: 1 })).rejects.toThrow();
  });

  test("neighbours settled differently in one turn each get their own outcome", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages(Array.from({ length: 20 }, (_, body) => ({ body })));
    const receiver = client.createReceiver("q");
    const messages = await receive(receiver, 20);
    // One settlement a turn: the SDK itself mixes up two of one turn.
    const settled: Promise<void>[] = [];
    for (const [n, message] of messages.entries()) {
      settled.push(n % 2 === 0 ? receiver.completeMessage(message) : receiver.deadLetterMessage(message));
      await new Promise(setImmediate);
    }
    await Promise.all(settled);
    expect(server.counters()).toMatchObject({ "q.ready": 0, "q.locked": 0, "q.dead": 10 });
  });

  test("a message is settled over the management link when its own link has gone", {
    tags: ["long"],
  }, async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages([1, 2, 3, 4].map((body) => ({ body })));
    const receiver = client.createReceiver("q");
    const [first, second, third, fourth] = await receive(receiver, 4);
    server.setFaults({
      seed: 1,
      rules: [{ operation: "peek", count: 1, effect: { kind: "drop", when: "before" } }],
    });
    await expect(receiver.peekMessages(1)).rejects.toThrow();
    if (!first || !second || !third || !fourth) throw new Error("unreachable");
    await receiver.completeMessage(first);
    await receiver.abandonMessage(second, { n: 1 });
    await receiver.deferMessage(third);
    await receiver.deadLetterMessage(fourth, { deadLetterReason: "r", deadLetterErrorDescription: "d" });
    expect(server.counters()).toMatchObject({ "q.locked": 0, "q.ready": 1, "q.deferred": 1, "q.dead": 1 });
    const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
    expect(dead).toMatchObject({ deadLetterReason: "r", deadLetterErrorDescription: "d" });
    await expect(receiver.completeMessage(first)).rejects.toMatchObject({ code: "MessageLockLost" });
  });
});

describe("receiving", () => {
  test("no more than asked for; an empty queue answers the drain", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages([1, 2, 3].map((body) => ({ body })));
    const receiver = client.createReceiver("q");
    expect(await receiver.receiveMessages(2)).toHaveLength(2);
    expect(server.counters()).toMatchObject({ "q.locked": 2, "q.ready": 1 });
    expect(await receive(receiver, 1)).toHaveLength(1);
    expect(await receiveNothing(receiver)).toEqual([]);
    await client.createSender("q").sendMessages({ body: 4 });
    expect((await receiveOne(receiver)).body).toBe(4);
  });

  test("a subscription completes everything, 64 at a time", async () => {
    const { client, server } = await startEmulator();
    const count = 3_000;
    const sender = client.createSender("q");
    const receiver = client.createReceiver("q");
    const seen = new Set<number>();
    const all = new Promise<void>((resolve, reject) => {
      receiver.subscribe(
        {
          processMessage: async (message) => {
            await receiver.completeMessage(message);
            seen.add(message.body);
            if (seen.size === count) resolve();
          },
          processError: async ({ error }) => reject(error),
        },
        { autoCompleteMessages: false, maxConcurrentCalls: 64 },
      );
    });
    for (let n = 0; n < count; n += 500) {
      await sender.sendMessages(Array.from({ length: 500 }, (_, i) => ({ body: n + i })));
    }
    await all;
    expect(server.counters()).toMatchObject({ "q.ready": 0, "q.locked": 0, "q.ops.completed": count });
  });

  test("two receivers share a queue, and no message goes to both", async () => {
    const { client, connect } = await startEmulator();
    const [one, two] = [client.createReceiver("q"), connect().createReceiver("q")];
    const both = [one, two].map((receiver) => receiver.receiveMessages(10, { maxWaitTimeInMs: 200 }));
    await client.createSender("q").sendMessages(Array.from({ length: 10 }, (_, body) => ({ body })));
    const bodies = (await Promise.all(both)).flat().map(({ body }) => body);
    const rest = [...(await receiveNothing(one)), ...(await receiveNothing(two))].map(({ body }) => body);
    expect(new Set([...bodies, ...rest]).size).toBe(bodies.length + rest.length);
    expect(bodies.length).toBeGreaterThan(0);
  });

  test("peek shows every state and takes nothing", async () => {
    const { client, clock, server } = await startEmulator();
    const sender = client.createSender("q");
    await sender.sendMessages([1, 2, 3].map((body) => ({ body })));
    await sender.scheduleMessages({ body: 4 }, new Date(clock.now() + 60_000));
    const receiver = client.createReceiver("q");
    const [first] = await receive(receiver, 2);
    if (first) await receiver.deferMessage(first);
    const peeked = await receiver.peekMessages(10);
    expect(peeked.map(({ body, state }) => [body, state])).toEqual([
      [1, "deferred"],
      [2, "active"],
      [3, "active"],
      [4, "scheduled"],
    ]);
    expect(await receiver.peekMessages(10)).toEqual([]);
    const from = peeked[2]?.sequenceNumber;
    expect((await receiver.peekMessages(1, from ? { fromSequenceNumber: from } : {}))[0]?.body).toBe(3);
    expect(server.counters()).toMatchObject({
      "q.ready": 1,
      "q.locked": 1,
      "q.deferred": 1,
      "q.scheduled": 1,
    });
  });
});
