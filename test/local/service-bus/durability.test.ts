import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { DatabaseUnusable } from "../../../local/database.ts";
import { Broker } from "../../../local/service-bus/broker.ts";
import type { AmqpError } from "../../../local/service-bus/errors.ts";
import type { SentMessage } from "../../../local/service-bus/message-in.ts";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { Store } from "../../../local/service-bus/store.ts";
import { receive, receiveNothing, receiveOne, startEmulator } from "./emulator.ts";

const LOCK_MS = 30_000;
let folder: string;
let databaseFile: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "service-bus-"));
  databaseFile = join(folder, "service-bus.db");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("after a restart", () => {
  test("everything is as it was: ready, deferred, scheduled, dead, counted", async () => {
    const first = await startEmulator({ databaseFile });
    const sender = first.client.createSender("q");
    await sender.sendMessages([1, 2, 3, 4].map((body) => ({ body, messageId: `m${body}` })));
    const [scheduled] = await sender.scheduleMessages({ body: 5 }, new Date(first.clock.now() + 60_000));
    const receiver = first.client.createReceiver("q");
    const [one, two, three] = await receive(receiver, 3);
    if (!one || !two || !three || scheduled === undefined) throw new Error("unreachable");
    await receiver.abandonMessage(one);
    await receiver.deferMessage(two);
    await receiver.deadLetterMessage(three, { deadLetterReason: "r", deadLetterErrorDescription: "d" });
    const before = first.server.counters();
    await first.crash();

    const second = await startEmulator({ databaseFile, clock: first.clock });
    for (const state of ["ready", "deferred", "scheduled", "dead"]) {
      expect(second.server.counters()[`q.${state}`]).toBe(before[`q.${state}`]);
    }
    const again = second.client.createReceiver("q");
    expect(await receive(again, 2)).toMatchObject([
      { body: 1, messageId: "m1", deliveryCount: 1 },
      { body: 4, messageId: "m4", deliveryCount: 0 },
    ]);
    if (two.sequenceNumber)
      expect(await again.receiveDeferredMessages(two.sequenceNumber)).toMatchObject([{ body: 2 }]);
    second.clock.advance(60_000);
    const late = await again.receiveMessages(5, { maxWaitTimeInMs: 500 });
    expect(late.map(({ body }) => body)).toContain(5);
    expect(late.every(({ sequenceNumber }) => sequenceNumber?.greaterThan(scheduled))).toBe(false);
  });

  test("locks of the process before run to their end, and can still be settled until then", async () => {
    const queues = [queueSettings("q", { lockDurationMs: LOCK_MS })];
    const first = await startEmulator({ databaseFile, queues });
    await first.client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]);
    const receiver = first.client.createReceiver("q");
    const message = await receiveOne(receiver);
    await first.crash();
    first.clock.advance(10_000);

    const second = await startEmulator({ databaseFile, queues, clock: first.clock });
    expect(second.server.counters()).toMatchObject({ "q.locked": 1, "q.ready": 1 });
    const other = second.client.createReceiver("q");
    expect((await receiveOne(other)).body).toBe(2);
    expect(await receiveNothing(other)).toEqual([]);
    second.clock.advance(LOCK_MS - 10_000);
    const again = await receiveOne(other);
    expect(again).toMatchObject({ body: 1, deliveryCount: 1 });
    expect(again.lockToken).not.toBe(message.lockToken);
  });

  test("session locks and states", async () => {
    const queues = [queueSettings("s", { requiresSession: true, lockDurationMs: LOCK_MS })];
    const first = await startEmulator({ databaseFile, queues });
    await first.client.createSender("s").sendMessages({ body: 1, sessionId: "A" });
    const session = await first.client.acceptSession("s", "A");
    await session.setSessionState("here");
    await receiveOne(session);
    await first.crash();

    const second = await startEmulator({ databaseFile, queues, clock: first.clock });
    const taken = second.client.acceptSession("s", "A");
    await expect(taken).rejects.toMatchObject({ code: "SessionCannotBeLocked" });
    second.clock.advance(LOCK_MS);
    const again = await second.client.acceptSession("s", "A");
    expect(await again.getSessionState()).toBe("here");
    expect((await receiveOne(again)).deliveryCount).toBe(1);
  });

  test("duplicates are still known, and sequence numbers still grow", async () => {
    const queues = [queueSettings("q", { requiresDuplicateDetection: true })];
    const first = await startEmulator({ databaseFile, queues });
    await first.client.createSender("q").sendMessages({ body: 1, messageId: "a" });
    const sequence = (await receiveOne(first.client.createReceiver("q"))).sequenceNumber;
    await first.crash();
    const second = await startEmulator({ databaseFile, queues, clock: first.clock });
    await second.client.createSender("q").sendMessages([
      { body: 2, messageId: "a" },
      { body: 3, messageId: "b" },
    ]);
    const message = await receiveOne(second.client.createReceiver("q"));
    expect(message.body).toBe(3);
    expect(sequence && message.sequenceNumber?.greaterThan(sequence)).toBe(true);
  });

  test("what fell due meanwhile is done at once", async () => {
    const first = await startEmulator({ databaseFile });
    const sender = first.client.createSender("q");
    await sender.sendMessages({ body: 1, timeToLive: 1_000 });
    await sender.scheduleMessages({ body: 2 }, new Date(first.clock.now() + 5_000));
    await first.crash();
    const clock = new ManualClock(first.clock.now() + 10_000);
    const second = await startEmulator({ databaseFile, clock });
    clock.advance(0);
    expect((await receiveOne(second.client.createReceiver("q"))).body).toBe(2);
    expect(second.server.counters()).toMatchObject({ "q.ready": 0 });
  });
});

describe("a file that cannot be used", () => {
  test("damaged", async () => {
    writeFileSync(databaseFile, "this is no database, whatever its name says".repeat(100));
    const starting = startEmulator({ databaseFile });
    await expect(starting).rejects.toThrow(DatabaseUnusable);
    await expect(starting).rejects.toThrow(databaseFile);
  });

  test("damaged in the middle", async () => {
    const first = await startEmulator({ databaseFile });
    await first.client
      .createSender("q")
      .sendMessages(Array.from({ length: 100 }, () => ({ body: "x".repeat(2_000) })));
    await first.crash();
    const bytes = readFileSync(databaseFile);
    for (let at = 4_096; at < bytes.length; at += 4_096) bytes.fill(0xff, at, at + 200);
    writeFileSync(databaseFile, bytes);
    await expect(startEmulator({ databaseFile })).rejects.toThrow(/Service Bus: .*cannot be opened/);
  });

  test("written by a newer version", async () => {
    const db = new DatabaseSync(databaseFile);
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(startEmulator({ databaseFile })).rejects.toThrow(/newer version/);
  });
});

describe("a full disk", () => {
  test("refuses what cannot be stored, loses nothing that was, and goes on when there is room", async () => {
    const store = new Store(databaseFile);
    const log: string[] = [];
    let resets = 0;
    const broker = new Broker({
      store,
      clock: new ManualClock(),
      queues: [queueSettings("q")],
      log: (line) => log.push(line),
      onReset: () => resets++,
    });
    const send = (bytes: number) =>
      new Promise<AmqpError | "stored">((resolve) => {
        const message: SentMessage = { ...EMPTY, content: Buffer.alloc(bytes) };
        broker.write(
          () => broker.queue("q")?.enqueue(message, broker.now()),
          () => resolve("stored"),
          resolve,
        );
      });
    const stored = () => store.count(0, Number.MAX_SAFE_INTEGER);

    expect(await send(100)).toBe("stored");
    store.db.exec("PRAGMA max_page_count = 20");
    const answers = await Promise.all([send(100), send(200_000), send(100)]);
    for (const answer of answers) {
      expect(answer).toMatchObject({ condition: "amqp:internal-error", description: /full/ });
    }
    expect(resets).toBe(1);
    expect(stored()).toBe(1);
    store.db.exec("PRAGMA max_page_count = 100000");
    expect(await send(200_000)).toBe("stored");
    expect(stored()).toBe(2);
    expect(log.join("\n")).toMatch(/rolled back/);
    broker.close();
  });
});

const EMPTY: Omit<SentMessage, "content"> = {
  messageId: "m",
  session: undefined,
  scheduledAt: undefined,
  ttlMs: undefined,
  header: undefined,
  annotations: undefined,
};
