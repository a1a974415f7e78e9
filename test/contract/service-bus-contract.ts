import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import { afterEach, describe, expect, test } from "vitest";
import type { OpenQueue, TestQueue } from "./service-bus-targets.ts";

/** The shortest lock Azure gives: what waits for it to run out waits no longer than it must. */
const LOCK_MS = 5_000;
/** One test against Azure makes a queue and may wait for locks. */
const TIMEOUT_MS = 90_000;

/** What a queue promises to an application on the SDK, wherever it is. */
export function serviceBusContract(where: string, openQueue: OpenQueue): void {
  describe(`a queue, ${where}`, { timeout: TIMEOUT_MS }, () => {
    const opened: TestQueue[] = [];
    const open: OpenQueue = async (changes) => {
      const queue = await openQueue(changes);
      opened.push(queue);
      return queue;
    };
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((queue) => queue.close()));
    });

    describe("sending", () => {
      test("a message arrives with all its properties", async () => {
        const { client, name, now } = await open();
        const sent = {
          body: { text: "grüß dich", list: [1, null] },
          messageId: "id-1",
          correlationId: "c",
          subject: "s",
          contentType: "application/json",
          replyTo: "r",
          to: "t",
          partitionKey: "p",
          timeToLive: 600_000,
          applicationProperties: { flag: true, count: 3, half: 0.5, text: "x" },
        };
        await client.createSender(name).sendMessages(sent);
        const message = await receiveOne(client.createReceiver(name));
        expect(message).toMatchObject({ ...sent, state: "active", deliveryCount: 0 });
        expect(Math.abs((message.enqueuedTimeUtc?.getTime() ?? 0) - now())).toBeLessThan(60_000);
        expect(message.lockToken).toMatch(/^[0-9a-f-]{36}$/);
        expect(message.sequenceNumber?.isPositive()).toBe(true);
      });

      test.each([
        ["a Buffer", { body: Buffer.from([0, 1, 255]) }],
        ["text", { body: "plain" }],
        ["a value", { body: { a: 1 }, bodyType: "value" as const }],
        ["a sequence", { body: [1, 2], bodyType: "sequence" as const }],
        ["null", { body: null }],
      ])("%s as the body", async (_, message) => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages(message);
        expect((await receiveOne(client.createReceiver(name))).body).toEqual(message.body);
      });

      test("a batch takes what fits, says so when it does not, and arrives in order", async () => {
        const { client, name } = await open();
        const sender = client.createSender(name);
        const batch = await sender.createMessageBatch({ maxSizeInBytes: 4_000 });
        let count = 0;
        while (batch.tryAddMessage({ body: count, applicationProperties: { pad: "x".repeat(100) } })) count++;
        expect(count).toBe(batch.count);
        expect(batch.sizeInBytes).toBeLessThanOrEqual(4_000);
        await sender.sendMessages(batch);
        const bodies = (await receive(client.createReceiver(name), count)).map(({ body }) => body);
        expect(bodies).toEqual(Array.from({ length: count }, (__, n) => n));
      });

      test("more than 256 KB is refused, and the sender goes on", async () => {
        const { client, name } = await open();
        const sender = client.createSender(name);
        const error = { code: "MessageSizeExceeded" };
        await expect(sender.sendMessages({ body: Buffer.alloc(300_000) })).rejects.toMatchObject(error);
        await sender.sendMessages({ body: "small" });
        expect((await receiveOne(client.createReceiver(name))).body).toBe("small");
      });

      test("a queue that is not there", async () => {
        const { client } = await open();
        const error = { code: "MessagingEntityNotFound" };
        await expect(client.createSender("not-there").sendMessages({ body: 1 })).rejects.toMatchObject(error);
        await expect(client.createReceiver("not-there").receiveMessages(1)).rejects.toMatchObject(error);
      });
    });

    describe("settling", () => {
      test("completed, it is gone; twice is refused", async () => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages({ body: 1 });
        const receiver = client.createReceiver(name);
        const message = await receiveOne(receiver);
        await receiver.completeMessage(message);
        await expect(receiver.completeMessage(message)).rejects.toThrow();
        expect(await client.createReceiver(name).peekMessages(1)).toEqual([]);
      });

      test("abandoned, it comes again at once, counted, with the properties given", async () => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages({ body: 1, applicationProperties: { a: 1, b: 1 } });
        const receiver = client.createReceiver(name);
        const message = await receiveOne(receiver);
        await receiver.abandonMessage(message, { b: 2, c: "new" });
        const again = await receiveOne(receiver);
        expect(again).toMatchObject({ deliveryCount: 1, applicationProperties: { a: 1, b: 2, c: "new" } });
        expect(again.sequenceNumber).toEqual(message.sequenceNumber);
        expect(again.lockToken).not.toBe(message.lockToken);
      });

      test("deferred, it comes only when asked for by number", async () => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages([{ body: 1 }, { body: 2 }]);
        const receiver = client.createReceiver(name);
        const [first, second] = await receive(receiver, 2);
        if (!first?.sequenceNumber || !second) throw new Error("unreachable");
        await receiver.deferMessage(first, { why: "later" });
        await receiver.completeMessage(second);
        expect(await nothing(receiver)).toEqual([]);
        const [deferred] = await receiver.receiveDeferredMessages(first.sequenceNumber);
        if (!deferred) throw new Error("unreachable");
        expect(deferred).toMatchObject({
          body: 1,
          state: "deferred",
          applicationProperties: { why: "later" },
        });
        await receiver.completeMessage(deferred);
        const gone = receiver.receiveDeferredMessages(first.sequenceNumber);
        await expect(gone).rejects.toMatchObject({ code: "MessageNotFound" });
      });

      test("dead-lettered, it says why; the dead letters are a queue of their own", async () => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages({ body: 1, messageId: "m" });
        const receiver = client.createReceiver(name);
        await receiver.deadLetterMessage(await receiveOne(receiver), {
          deadLetterReason: "bad",
          deadLetterErrorDescription: "very bad",
          extra: "kept",
        });
        const dead = client.createReceiver(name, { subQueueType: "deadLetter" });
        expect((await dead.peekMessages(1))[0]).toMatchObject({ messageId: "m", deadLetterReason: "bad" });
        const message = await receiveOne(dead);
        expect(message).toMatchObject({
          deadLetterReason: "bad",
          deadLetterErrorDescription: "very bad",
          applicationProperties: { extra: "kept" },
        });
        await dead.completeMessage(message);
        expect(await nothing(dead)).toEqual([]);
      });

      test("after its last delivery it goes to the dead letters", async () => {
        const { client, name } = await open({ maxDeliveryCount: 2 });
        await client.createSender(name).sendMessages({ body: 1 });
        const receiver = client.createReceiver(name);
        for (let n = 0; n < 2; n++) await receiver.abandonMessage(await receiveOne(receiver));
        expect(await nothing(receiver)).toEqual([]);
        const dead = await receiveOne(client.createReceiver(name, { subQueueType: "deadLetter" }));
        expect(dead.deadLetterReason).toBe("MaxDeliveryCountExceeded");
      });

      test("a lock runs out, and its holder learns so; a renewed one does not", async () => {
        const { client, name, pass, now } = await open({ lockDurationMs: LOCK_MS });
        await client.createSender(name).sendMessages({ body: 1 });
        const receiver = client.createReceiver(name, { maxAutoLockRenewalDurationInMs: 0 });
        const message = await receiveOne(receiver);
        await pass(LOCK_MS);
        await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: "MessageLockLost" });
        await expect(receiver.renewMessageLock(message)).rejects.toMatchObject({ code: "MessageLockLost" });
        const again = await receiveOne(receiver);
        expect(again.deliveryCount).toBe(1);
        expect((await receiver.renewMessageLock(again)).getTime()).toBeGreaterThan(now());
        await receiver.completeMessage(again);
      });
    });

    describe("receiving", () => {
      test("receive-and-delete leaves nothing to settle", async () => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages([{ body: 1 }, { body: 2 }]);
        const receiver = client.createReceiver(name, { receiveMode: "receiveAndDelete" });
        const [message] = await receive(receiver, 2);
        if (!message) throw new Error("unreachable");
        await expect(receiver.completeMessage(message)).rejects.toThrow(/receiveAndDelete|peekLock/i);
        expect(await client.createReceiver(name).peekMessages(1)).toEqual([]);
      });

      test("an empty queue gives an empty list after the wait", async () => {
        const { client, name } = await open();
        expect(await nothing(client.createReceiver(name))).toEqual([]);
      });

      test("a subscription completes what its handler returns from and abandons what it throws on", async () => {
        const { client, name } = await open({ maxDeliveryCount: 2 });
        await client.createSender(name).sendMessages([{ body: "good" }, { body: "bad" }]);
        const receiver = client.createReceiver(name);
        const seen: [string, number | undefined][] = [];
        const errors: string[] = [];
        await new Promise<void>((resolve) => {
          receiver.subscribe(
            {
              processMessage: async ({ body, deliveryCount }) => {
                seen.push([body, deliveryCount]);
                if (body === "bad") throw new Error("no");
              },
              processError: async ({ errorSource }) => {
                errors.push(errorSource);
                if (errors.length === 2) resolve();
              },
            },
            { maxConcurrentCalls: 1 },
          );
        });
        expect(seen.sort()).toEqual([
          ["bad", 0],
          ["bad", 1],
          ["good", 0],
        ]);
        expect(errors).toEqual(["processMessageCallback", "processMessageCallback"]);
        const dead = await receiveOne(client.createReceiver(name, { subQueueType: "deadLetter" }));
        expect(dead.body).toBe("bad");
      });

      test("an iterator gives one after the other", async () => {
        const { client, name } = await open();
        await client.createSender(name).sendMessages([1, 2, 3].map((body) => ({ body })));
        const receiver = client.createReceiver(name);
        const bodies: number[] = [];
        for await (const message of receiver.getMessageIterator()) {
          bodies.push(message.body);
          await receiver.completeMessage(message);
          if (bodies.length === 3) break;
        }
        expect(bodies).toEqual([1, 2, 3]);
      });

      test("peek goes on where it was, shows every state, and takes nothing", async () => {
        const { client, name, now } = await open();
        const sender = client.createSender(name);
        await sender.sendMessages([1, 2, 3].map((body) => ({ body })));
        await sender.scheduleMessages({ body: 4 }, new Date(now() + 600_000));
        const receiver = client.createReceiver(name);
        const first = await receiveOne(receiver);
        await receiver.deferMessage(first);
        const pages = [await receiver.peekMessages(2), await receiver.peekMessages(9)].flat();
        expect(pages.map(({ body, state }) => [body, state])).toEqual([
          [1, "deferred"],
          [2, "active"],
          [3, "active"],
          [4, "scheduled"],
        ]);
        expect(await receiver.peekMessages(1)).toEqual([]);
        expect((await receiveOne(receiver)).body).toBe(2);
      });
    });

    describe("time", () => {
      test("a scheduled message comes when it is due; a cancelled one never", async () => {
        const { client, name, now, pass } = await open();
        const sender = client.createSender(name);
        const [one, two] = await sender.scheduleMessages([{ body: 1 }, { body: 2 }], new Date(now() + 4_000));
        if (!one || !two) throw new Error("unreachable");
        await sender.cancelScheduledMessages(one);
        const receiver = client.createReceiver(name);
        expect(await nothing(receiver)).toEqual([]);
        await pass(4_000);
        const due = await receive(receiver, 1);
        expect(due.map(({ body, state }) => [body, state])).toEqual([[2, "scheduled"]]);
        const error = { code: "MessageNotFound" };
        await expect(sender.cancelScheduledMessages(one)).rejects.toMatchObject(error);
      });

      test("what expires goes to the dead letters, where the queue says so", async () => {
        const { client, name, pass } = await open({ deadLetteringOnExpiration: true });
        await client.createSender(name).sendMessages({ body: 1, timeToLive: 1_000 });
        await pass(1_000);
        const receiver = client.createReceiver(name);
        expect(await nothing(receiver)).toEqual([]);
        const dead = await receiveOne(client.createReceiver(name, { subQueueType: "deadLetter" }));
        expect(dead.deadLetterReason).toBe("TTLExpiredException");
      });

      test("a message id seen within the window is accepted and dropped; after it, it is new", async () => {
        const { client, name, pass } = await open({
          requiresDuplicateDetection: true,
          duplicateWindowMs: 20_000,
        });
        const sender = client.createSender(name);
        await sender.sendMessages({ body: 1, messageId: "a" });
        await sender.sendMessages([
          { body: 2, messageId: "a" },
          { body: 3, messageId: "b" },
        ]);
        const receiver = client.createReceiver(name, { receiveMode: "receiveAndDelete" });
        expect((await receive(receiver, 2)).map(({ body }) => body)).toEqual([1, 3]);
        await pass(20_000);
        await sender.sendMessages({ body: 4, messageId: "a" });
        expect((await receiveOne(receiver)).body).toBe(4);
      });
    });

    describe("with sessions", () => {
      test("each session in order, to one receiver at a time", async () => {
        const { client, name } = await open({ requiresSession: true });
        const sender = client.createSender(name);
        await sender.sendMessages([
          { body: 1, sessionId: "A" },
          { body: 2, sessionId: "B" },
          { body: 3, sessionId: "A" },
        ]);
        const a = await client.acceptSession(name, "A");
        expect((await receive(a, 2)).map(({ body, sessionId }) => [body, sessionId])).toEqual([
          [1, "A"],
          [3, "A"],
        ]);
        const error = { code: "SessionCannotBeLocked" };
        await expect(client.acceptSession(name, "A")).rejects.toMatchObject(error);
        const next = await client.acceptNextSession(name);
        expect(next.sessionId).toBe("B");
        await next.completeMessage(await receiveOne(next));
      });

      test("state and lock belong to the holder, and go on with the next", async () => {
        const { client, name, now } = await open({ requiresSession: true });
        await client.createSender(name).sendMessages({ body: 1, sessionId: "A" });
        const first = await client.acceptSession(name, "A");
        expect(await first.getSessionState()).toBeNull();
        await first.setSessionState({ step: 1 });
        expect((await first.renewSessionLock()).getTime()).toBeGreaterThan(now());
        await first.close();
        const second = await client.acceptSession(name, "A");
        expect(await second.getSessionState()).toEqual({ step: 1 });
        expect((await receiveOne(second)).body).toBe(1);
      });

      test("dead letters of sessions are read without one", async () => {
        const { client, name } = await open({ requiresSession: true });
        await client.createSender(name).sendMessages({ body: 1, sessionId: "A" });
        const session = await client.acceptSession(name, "A");
        await session.deadLetterMessage(await receiveOne(session), {
          deadLetterReason: "r",
          deadLetterErrorDescription: "d",
        });
        const dead = await receiveOne(client.createReceiver(name, { subQueueType: "deadLetter" }));
        expect(dead).toMatchObject({ body: 1, sessionId: "A", deadLetterReason: "r" });
      });

      test("no session id, no session receiver: refused", async () => {
        const { client, name } = await open({ requiresSession: true });
        await expect(client.createSender(name).sendMessages({ body: 1 })).rejects.toThrow(/SessionId/);
        await expect(client.createReceiver(name).receiveMessages(1)).rejects.toThrow(/session/i);
      });
    });
  });
}

/** Exactly so many; the test's time-out ends a wait for ever. */
async function receive(receiver: ServiceBusReceiver, count: number): Promise<ServiceBusReceivedMessage[]> {
  const messages: ServiceBusReceivedMessage[] = [];
  while (messages.length < count) {
    messages.push(...(await receiver.receiveMessages(count - messages.length, { maxWaitTimeInMs: 5_000 })));
  }
  return messages;
}

async function receiveOne(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage> {
  const [message] = await receive(receiver, 1);
  if (message === undefined) throw new Error("unreachable");
  return message;
}

/** What is there now. */
function nothing(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage[]> {
  return receiver.receiveMessages(1, { maxWaitTimeInMs: 300 });
}
