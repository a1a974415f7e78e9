import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { receiveOne, startEmulator } from "./emulator.ts";

const deadLetters = { subQueueType: "deadLetter" } as const;

describe("the delivery count", () => {
  test("of a deferred message has the deliveries that ended in deferral or were abandoned", async () => {
    const { client } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    const { sequenceNumber, ...first } = await receiveOne(receiver);
    if (sequenceNumber === undefined) throw new Error("unreachable");
    const again = async () => {
      const [message] = await receiver.receiveDeferredMessages(sequenceNumber);
      if (message === undefined) throw new Error("unreachable");
      return message;
    };
    await receiver.deferMessage(first as never);
    let deferred = await again();
    expect([deferred.deliveryCount, deferred.state]).toEqual([1, "deferred"]);
    await receiver.abandonMessage(deferred);
    deferred = await again();
    expect(deferred.deliveryCount).toBe(2);
    await receiver.deferMessage(deferred);
    deferred = await again();
    expect(deferred.deliveryCount).toBe(3);
    await receiver.deadLetterMessage(deferred);
    expect((await receiveOne(client.createReceiver("q", deadLetters))).deliveryCount).toBe(3);
  });

  test("of a dead letter stays as it was", async () => {
    const { client, clock } = await startEmulator({
      queues: [queueSettings("q", { lockDurationMs: 5_000 })],
    });
    await client.createSender("q").sendMessages({ body: 1 });
    const receiver = client.createReceiver("q");
    await receiver.deadLetterMessage(await receiveOne(receiver));
    const dead = client.createReceiver("q", { ...deadLetters, maxAutoLockRenewalDurationInMs: 0 });
    for (let delivery = 0; delivery < 12; delivery++) {
      const message = await receiveOne(dead);
      expect(message.deliveryCount).toBe(0);
      if (delivery % 2 === 0) await dead.abandonMessage(message);
      else clock.advance(5_001);
    }
  });
});

test("a message's session id is no hindrance where there are no sessions: in a plain queue, among dead letters", async () => {
  const { client } = await startEmulator({
    queues: [queueSettings("q"), queueSettings("s", { requiresSession: true })],
  });
  const deferAndComplete = async (receiver: ReturnType<typeof client.createReceiver>) => {
    const message = await receiveOne(receiver);
    await receiver.deferMessage(message);
    const [deferred] = await receiver.receiveDeferredMessages(message.sequenceNumber as never);
    if (deferred === undefined) throw new Error("unreachable");
    await receiver.completeMessage(deferred);
    expect(await receiver.peekMessages(1)).toEqual([]);
  };
  await client.createSender("q").sendMessages({ body: 1, sessionId: "a" });
  await deferAndComplete(client.createReceiver("q"));
  await client.createSender("s").sendMessages({ body: 1, sessionId: "a" });
  const session = await client.acceptSession("s", "a");
  await session.deadLetterMessage(await receiveOne(session));
  await deferAndComplete(client.createReceiver("s", deadLetters));
});

test("an entity that is not there is named as the client calls it, on links and by management", async () => {
  const { client } = await startEmulator();
  const words = (entity: string) => `The messaging entity 'sb://127.0.0.1/${entity}' could not be found.`;
  await expect(client.createSender("no").sendMessages({ body: 1 })).rejects.toThrow(words("no"));
  await expect(client.createReceiver("no").receiveMessages(1)).rejects.toThrow(words("no"));
  await expect(client.createReceiver("no").peekMessages(1)).rejects.toThrow(words("no"));
  await expect(client.createReceiver("topic", "sub").receiveMessages(1)).rejects.toThrow(
    words("topic/Subscriptions/sub"),
  );
});
