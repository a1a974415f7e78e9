import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { receive, receiveNothing, receiveOne, startEmulator } from "./emulator.ts";

const LOCK_MS = 30_000;
const queues = [queueSettings("s", { requiresSession: true, lockDurationMs: LOCK_MS }), queueSettings("q")];

describe("sessions", () => {
  test("a session's messages come in order, to its holder alone", async () => {
    const { client, clock } = await startEmulator({ queues });
    const sender = client.createSender("s");
    await sender.sendMessages([
      { body: 1, sessionId: "A" },
      { body: 2, sessionId: "B" },
      { body: 3, sessionId: "A" },
    ]);
    const a = await client.acceptSession("s", "A");
    expect(a.sessionId).toBe("A");
    expect(a.sessionLockedUntilUtc?.getTime()).toBe(clock.now() + LOCK_MS);
    expect((await receive(a, 2)).map(({ body }) => body)).toEqual([1, 3]);
    await expect(client.acceptSession("s", "A")).rejects.toMatchObject({ code: "SessionCannotBeLocked" });
    const next = await client.acceptNextSession("s");
    expect(next.sessionId).toBe("B");
    const message = await receiveOne(next);
    await next.completeMessage(message);
    await sender.sendMessages({ body: 4, sessionId: "B" });
    expect((await receiveOne(next)).body).toBe(4);
  });

  test("closing gives a session back at once, its messages without a failed delivery", async () => {
    const { client } = await startEmulator({ queues });
    await client.createSender("s").sendMessages({ body: 1, sessionId: "A" });
    const first = await client.acceptSession("s", "A");
    await receiveOne(first);
    await first.close();
    const second = await client.acceptSession("s", "A");
    expect((await receiveOne(second)).deliveryCount).toBe(0);
  });

  test("waiting for any session", async () => {
    const { client, clock } = await startEmulator({ queues });
    const waiting = client.acceptNextSession("s");
    await client.createSender("s").sendMessages({ body: 1, sessionId: "new" });
    expect((await waiting).sessionId).toBe("new");
    const none = client.acceptNextSession("s");
    const refused = expect(none).rejects.toMatchObject({ code: "ServiceTimeout" });
    // The attach must have come before the clock is turned; peeking goes over the same connection after it.
    await client.createReceiver("q").peekMessages(1);
    clock.advance(60_000);
    await refused;
  });

  test("a session lock that runs out: link closed, messages counted, session free", async () => {
    const { client, clock } = await startEmulator({ queues });
    await client.createSender("s").sendMessages({ body: 1, sessionId: "A" });
    const first = await client.acceptSession("s", "A");
    const message = await receiveOne(first);
    clock.advance(LOCK_MS);
    // The link's end comes before this answer; a settlement that crossed it would hang in the SDK.
    await client.createReceiver("q").peekMessages(1);
    await expect(first.completeMessage(message)).rejects.toMatchObject({ code: "SessionLockLost" });
    const second = await client.acceptSession("s", "A");
    expect((await receiveOne(second)).deliveryCount).toBe(1);
  });

  test("renewal keeps it", async () => {
    const { client, clock } = await startEmulator({ queues });
    await client.createSender("s").sendMessages({ body: 1, sessionId: "A" });
    const session = await client.acceptSession("s", "A");
    const message = await receiveOne(session);
    clock.advance(LOCK_MS - 1);
    expect((await session.renewSessionLock()).getTime()).toBe(clock.now() + LOCK_MS);
    clock.advance(LOCK_MS - 1);
    await session.completeMessage(message);
  });

  test("state stays with the session", async () => {
    const { client } = await startEmulator({ queues });
    const first = await client.acceptSession("s", "A");
    expect(await first.getSessionState()).toBeNull();
    await first.setSessionState({ step: 2 });
    await first.close();
    const second = await client.acceptSession("s", "A");
    expect(await second.getSessionState()).toEqual({ step: 2 });
    await second.setSessionState(null);
    expect(await second.getSessionState()).toBeNull();
  });

  test("abandoned, deferred and dead-lettered within a session", async () => {
    const { client, server } = await startEmulator({ queues });
    await client.createSender("s").sendMessages([1, 2, 3].map((body) => ({ body, sessionId: "A" })));
    const session = await client.acceptSession("s", "A");
    const [one, two, three] = await receive(session, 3);
    if (!one || !two || !three) throw new Error("unreachable");
    await session.deferMessage(two);
    await session.deadLetterMessage(three);
    await session.abandonMessage(one);
    expect(await receiveOne(session)).toMatchObject({ body: 1, deliveryCount: 1, sessionId: "A" });
    if (two.sequenceNumber === undefined) throw new Error("unreachable");
    const [deferred] = await session.receiveDeferredMessages(two.sequenceNumber);
    if (deferred) await session.completeMessage(deferred);
    expect(server.counters()).toMatchObject({ "s.deferred": 0, "s.dead": 1, "s.locked": 1 });
    const dead = await receiveOne(client.createReceiver("s", { subQueueType: "deadLetter" }));
    expect(dead).toMatchObject({ body: 3, sessionId: "A" });
  });

  test("dead letters have no sessions: abandoned there, they come again", async () => {
    const { client } = await startEmulator({ queues });
    await client.createSender("s").sendMessages({ body: 1, sessionId: "A" });
    const session = await client.acceptSession("s", "A");
    await session.deadLetterMessage(await receiveOne(session));
    const dead = client.createReceiver("s", { subQueueType: "deadLetter" });
    await dead.abandonMessage(await receiveOne(dead));
    expect(await receiveOne(dead)).toMatchObject({ body: 1, sessionId: "A", deliveryCount: 0 });
  });

  test("several wait for any session; each gets another one", async () => {
    const { client, connect } = await startEmulator({ queues });
    const waiting = [client.acceptNextSession("s"), connect().acceptNextSession("s")];
    await client.createSender("s").sendMessages([
      { body: 1, sessionId: "A" },
      { body: 2, sessionId: "B" },
    ]);
    const sessions = await Promise.all(waiting);
    expect(new Set(sessions.map(({ sessionId }) => sessionId))).toEqual(new Set(["A", "B"]));
  });

  test("peek within a session", async () => {
    const { client } = await startEmulator({ queues });
    await client.createSender("s").sendMessages([
      { body: 1, sessionId: "A" },
      { body: 2, sessionId: "B" },
    ]);
    const session = await client.acceptSession("s", "B");
    expect((await session.peekMessages(5)).map(({ body }) => body)).toEqual([2]);
  });

  test("what needs a session, and what has none", async () => {
    const { client } = await startEmulator({ queues });
    await expect(client.createSender("s").sendMessages({ body: 1 })).rejects.toThrow(/SessionId/);
    await expect(receiveNothing(client.createReceiver("s"))).rejects.toThrow(/requires sessions/);
    await expect(client.acceptSession("q", "A")).rejects.toThrow();
  });
});
