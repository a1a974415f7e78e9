import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { receive, receiveNothing, receiveOne, startEmulator } from "./emulator.ts";

const LOCK_MS = 30_000;
const shortLock = (changes = {}) => [queueSettings("q", { lockDurationMs: LOCK_MS, ...changes })];

describe("locks", () => {
  test("a lock that runs out gives the message to the next, and its holder learns so", async () => {
    const { client, clock, server } = await startEmulator({ queues: shortLock() });
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    const message = await receiveOne(receiver);
    expect(message.lockedUntilUtc?.getTime()).toBe(clock.now() + LOCK_MS);
    clock.advance(LOCK_MS - 1);
    expect(server.counters()).toMatchObject({ "q.locked": 1 });
    clock.advance(1);
    const again = await receiveOne(receiver);
    expect(again.deliveryCount).toBe(1);
    expect(again.lockToken).not.toBe(message.lockToken);
    await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: "MessageLockLost" });
    await expect(receiver.renewMessageLock(message)).rejects.toMatchObject({ code: "MessageLockLost" });
    await receiver.completeMessage(again);
    expect(server.counters()).toMatchObject({ "q.ready": 0, "q.locked": 0, "q.ops.lapsed": 1 });
  });

  test("a renewed lock lasts its whole length again", async () => {
    const { client, clock, server } = await startEmulator({ queues: shortLock() });
    await client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]);
    const receiver = client.createReceiver("q");
    const first = await receiveOne(receiver);
    await receiveOne(receiver);
    clock.advance(LOCK_MS - 1);
    const until = await receiver.renewMessageLock(first);
    expect(until.getTime()).toBe(clock.now() + LOCK_MS);
    clock.advance(LOCK_MS - 1);
    expect(server.counters()).toMatchObject({ "q.locked": 1, "q.ready": 1 });
    await receiver.completeMessage(first);
  });

  test("locks that run out count towards the dead letters", async () => {
    const { client, clock } = await startEmulator({ queues: shortLock({ maxDeliveryCount: 2 }) });
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    for (let n = 0; n < 2; n++) {
      await receiveOne(receiver);
      clock.advance(LOCK_MS);
    }
    const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
    expect(dead.deadLetterReason).toBe("MaxDeliveryCountExceeded");
  });

  test("a lock outlives its connection", async () => {
    const { client, connect, clock, server } = await startEmulator({ queues: shortLock() });
    await client.createSender("q").sendMessages({ body: 1 });
    const other = connect();
    await receiveOne(other.createReceiver("q"));
    await other.close();
    const receiver = client.createReceiver("q");
    expect(await receiveNothing(receiver)).toEqual([]);
    expect(server.counters()).toMatchObject({ "q.locked": 1 });
    clock.advance(LOCK_MS);
    expect((await receiveOne(receiver)).deliveryCount).toBe(1);
  });

  test("a lock on a deferred message runs out too, and it stays deferred", async () => {
    const { client, clock, server } = await startEmulator({ queues: shortLock() });
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    const message = await receiveOne(receiver);
    await receiver.deferMessage(message);
    const sequence = message.sequenceNumber;
    if (sequence === undefined) throw new Error("unreachable");
    await receiver.receiveDeferredMessages(sequence);
    await expect(receiver.receiveDeferredMessages(sequence)).rejects.toMatchObject({
      code: "MessageNotFound",
    });
    clock.advance(LOCK_MS);
    expect(server.counters()).toMatchObject({ "q.deferred": 1, "q.locked": 0, "q.ready": 0 });
    expect(await receiver.receiveDeferredMessages(sequence)).toMatchObject([{ deliveryCount: 2 }]);
  });
});

describe("scheduling", () => {
  test("by request, by property, and cancelled", async () => {
    const { client, clock, server } = await startEmulator();
    const sender = client.createSender("q");
    const at = new Date(clock.now() + 60_000);
    const [first, second] = await sender.scheduleMessages([{ body: 1 }, { body: 2 }], at);
    await sender.sendMessages({ body: 3, scheduledEnqueueTimeUtc: at });
    expect(server.counters()).toMatchObject({ "q.scheduled": 3, "q.ready": 0 });
    if (first === undefined || second === undefined) throw new Error("unreachable");
    await sender.cancelScheduledMessages(second);
    await expect(sender.cancelScheduledMessages([first, second])).rejects.toMatchObject({
      code: "MessageNotFound",
    });
    clock.advance(59_999);
    expect(server.counters()).toMatchObject({ "q.scheduled": 2, "q.ready": 0 });
    clock.advance(1);
    const receiver = client.createReceiver("q");
    const [one, three] = [await receiveOne(receiver), await receiveOne(receiver)];
    expect([one.body, three.body]).toEqual([1, 3]);
    expect(one.sequenceNumber?.greaterThan(second)).toBe(true);
    expect(one.enqueuedTimeUtc?.getTime()).toBe(at.getTime());
    expect(one.scheduledEnqueueTimeUtc?.getTime()).toBe(at.getTime());
    await expect(sender.cancelScheduledMessages(first)).rejects.toMatchObject({ code: "MessageNotFound" });
  });

  test("one that was scheduled says so when it arrives, as Azure's do; not among the dead letters", async () => {
    const { client, clock } = await startEmulator();
    const sender = client.createSender("q");
    await sender.scheduleMessages({ body: 1 }, new Date(clock.now() + 60_000));
    await sender.scheduleMessages({ body: 2 }, new Date(clock.now() - 1));
    const receiver = client.createReceiver("q");
    expect((await receiver.peekMessages(1)).map(({ state }) => state)).toEqual(["scheduled"]);
    const late = await receiveOne(receiver);
    expect(late).toMatchObject({ body: 2, state: "active" }); // its time had passed: it never was scheduled
    await receiver.completeMessage(late);
    clock.advance(60_000);
    const message = await receiveOne(receiver);
    expect(message).toMatchObject({ body: 1, state: "scheduled" });
    await receiver.abandonMessage(message);
    const again = await receiveOne(receiver);
    expect(again).toMatchObject({ body: 1, state: "scheduled", deliveryCount: 1 });
    await receiver.deadLetterMessage(again);
    const dead = client.createReceiver("q", { subQueueType: "deadLetter" });
    expect(await receiveOne(dead)).toMatchObject({ body: 1, state: "active" });
  });

  test("a time that has passed is now", async () => {
    const { client, clock, server } = await startEmulator();
    await client.createSender("q").scheduleMessages({ body: 1 }, new Date(clock.now() - 1));
    expect(server.counters()).toMatchObject({ "q.ready": 1, "q.scheduled": 0 });
  });

  test("a waiting receiver gets it when its time comes", async () => {
    const { client, clock } = await startEmulator();
    const receiver = client.createReceiver("q");
    const waiting = receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    await client.createSender("q").scheduleMessages({ body: 1 }, new Date(clock.now() + 60_000));
    clock.advance(60_000);
    expect(await waiting).toMatchObject([{ body: 1 }]);
  });
});

describe("time to live", () => {
  test("expired messages go", async () => {
    const { client, clock, server } = await startEmulator();
    await client.createSender("q").sendMessages([{ body: 1, timeToLive: 5_000 }, { body: 2 }]);
    clock.advance(5_000);
    expect((await receiveOne(client.createReceiver("q"))).body).toBe(2);
    expect(server.counters()).toMatchObject({ "q.ready": 0, "q.dead": 0 });
  });

  test("or go to the dead letters; the queue's own limit is the most a message gets", async () => {
    const queues = [queueSettings("q", { defaultTtlMs: 10_000, deadLetteringOnExpiration: true })];
    const { client, clock, server } = await startEmulator({ queues });
    await client.createSender("q").sendMessages([{ body: 1, timeToLive: 3_600_000 }, { body: 2 }]);
    clock.advance(9_999);
    expect(server.counters()).toMatchObject({ "q.ready": 2 });
    clock.advance(1);
    const dead = client.createReceiver("q", { subQueueType: "deadLetter" });
    const message = await receiveOne(dead);
    expect(message).toMatchObject({
      body: 1,
      deadLetterReason: "TTLExpiredException",
      deadLetterSource: "q",
    });
    clock.advance(3_600_000);
    expect(server.counters()).toMatchObject({ "q.ready": 0, "q.dead": 2 });
  });

  test("a message tells when it expires by the time it got, not the time it asked for", async () => {
    const { client, clock } = await startEmulator({ queues: [queueSettings("q", { defaultTtlMs: 60_000 })] });
    await client.createSender("q").sendMessages([{ body: 1 }, { body: 2, timeToLive: 90_000 }]);
    const messages = await receive(client.createReceiver("q"), 2);
    const expiries = messages.map(({ expiresAtUtc }) => expiresAtUtc?.getTime());
    expect(expiries).toEqual([clock.now() + 60_000, clock.now() + 60_000]);
  });

  test("what its sender wrote of its expiry is cut too; for a .NET client that is what counts", async () => {
    const queues = [
      queueSettings("q", { defaultTtlMs: 60_000, forwardDeadLetteredTo: "dead" }),
      queueSettings("dead"),
    ];
    const { client, clock } = await startEmulator({ queues });
    const sender = client.createSender("q");
    const life = ({ _rawAmqpMessage: { header, properties } }: ServiceBusReceivedMessage) => {
      const { absoluteExpiryTime = 0, creationTime = 0 } = properties ?? {};
      return { from: creationTime, to: absoluteExpiryTime, ttl: header?.timeToLive };
    };
    const minute = () => ({ from: clock.now(), to: clock.now() + 60_000, ttl: 60_000 });
    await sender.sendMessages({ body: "too long", timeToLive: 90_000 });
    const receiver = client.createReceiver("q");
    const cut = await receiveOne(receiver);
    expect(life(cut)).toEqual(minute());
    await sender.sendMessages({ body: "short enough", timeToLive: 30_000 });
    const kept = life(await receiveOne(receiver));
    expect([kept.to - kept.from, kept.ttl]).toEqual([30_000, 30_000]);
    // Its life begins when it becomes ready: with its time, or in another queue.
    await sender.scheduleMessages({ body: "later", timeToLive: 60_000 }, new Date(clock.now() + 3_600_000));
    clock.advance(3_600_000);
    const later = await receiveOne(receiver);
    expect(life(later)).toEqual(minute());
    clock.advance(10_000);
    await receiver.deadLetterMessage(later);
    expect(life(await receiveOne(client.createReceiver("dead")))).toEqual(minute());
  });

  test("a locked message is not taken away; it expires when its lock ends", async () => {
    const { client, clock, server } = await startEmulator({ queues: shortLock() });
    await client.createSender("q").sendMessages([
      { body: 1, timeToLive: 1_000 },
      { body: 2, timeToLive: 1_000 },
    ]);
    const receiver = client.createReceiver("q");
    const [kept, left] = [await receiveOne(receiver), await receiveOne(receiver)];
    clock.advance(2_000);
    await receiver.completeMessage(kept);
    await receiver.abandonMessage(left);
    expect(await receiveNothing(receiver)).toEqual([]);
    clock.advance(0);
    expect(server.counters()).toMatchObject({ "q.ready": 0, "q.locked": 0 });
  });
});

describe("duplicate detection", () => {
  const queues = [queueSettings("q", { requiresDuplicateDetection: true, duplicateWindowMs: 20_000 })];

  test("an id seen within the window is accepted and dropped, completed or not, batched or scheduled", async () => {
    const { client, clock, server } = await startEmulator({ queues });
    const sender = client.createSender("q");
    await sender.sendMessages([
      { body: 1, messageId: "a" },
      { body: 2, messageId: "a" },
      { body: 3, messageId: "b" },
    ]);
    await sender.sendMessages({ body: 4, messageId: "b" });
    await sender.scheduleMessages({ body: 5, messageId: "c" }, new Date(clock.now() + 60_000));
    await sender.sendMessages({ body: 6, messageId: "c" });
    expect(server.counters()).toMatchObject({ "q.ready": 2, "q.scheduled": 1 });
    const receiver = client.createReceiver("q", { receiveMode: "receiveAndDelete" });
    await receiveOne(receiver);
    clock.advance(19_999);
    await sender.sendMessages({ body: 7, messageId: "a" });
    expect(server.counters()).toMatchObject({ "q.ready": 1 });
    clock.advance(1);
    await sender.sendMessages({ body: 8, messageId: "a" });
    expect(server.counters()).toMatchObject({ "q.ready": 2 });
  });

  test("messages without an id are never duplicates", async () => {
    const { client, server } = await startEmulator({ queues });
    await client.createSender("q").sendMessages([{ body: 1 }, { body: 1 }]);
    expect(server.counters()).toMatchObject({ "q.ready": 2 });
  });
});

describe("forwarding", () => {
  test("of messages, and of dead letters", async () => {
    const queues = [
      queueSettings("in", { forwardTo: "work" }),
      queueSettings("work", { forwardDeadLetteredTo: "bin" }),
      queueSettings("bin"),
    ];
    const { client, server } = await startEmulator({ queues });
    await client.createSender("in").sendMessages({ body: 1, messageId: "m" });
    const receiver = client.createReceiver("work");
    await receiver.deadLetterMessage(await receiveOne(receiver), {
      deadLetterReason: "r",
      deadLetterErrorDescription: "",
    });
    const message = await receiveOne(client.createReceiver("bin"));
    expect(message).toMatchObject({
      messageId: "m",
      deadLetterReason: "r",
      deadLetterSource: "work",
      deliveryCount: 0,
    });
    expect(server.counters()).toMatchObject({
      "in.ready": 0,
      "work.ready": 0,
      "work.dead": 0,
      "bin.locked": 1,
    });
  });
});
