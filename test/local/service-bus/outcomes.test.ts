import { once } from "node:events";
import rhea, { type Connection, type Delivery, type EventContext, type Receiver } from "rhea";
import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { connectAmqp } from "./amqp-client.ts";
import { receive, receiveOne, startEmulator } from "./emulator.ts";

const LOCK_MS = 30_000;
const queues = [
  queueSettings("q", { maxDeliveryCount: 3, lockDurationMs: LOCK_MS }),
  queueSettings("s", { requiresSession: true, maxDeliveryCount: 3, lockDurationMs: LOCK_MS }),
];
const { types, message: sections } = rhea as unknown as {
  types: typeof rhea.types & { described(descriptor: unknown, value: unknown): unknown };
  message: { accepted(): { described(): unknown } };
};

/** A delivery state by its number. */
const state = (code: number, fields: unknown[]) =>
  types.described(types.wrap_ulong(code), types.wrap_list(fields));
const RECEIVED = () => state(0x23, [types.wrap_uint(0), types.wrap_ulong(0)]);
const IN_TRANSACTION = () =>
  state(0x34, [types.wrap_binary(Buffer.from("txn")), sections.accepted().described()]);

interface Settled {
  readonly delivery: Delivery & { remote_state: unknown; update(settled: boolean, state: unknown): void };
  readonly count: number;
}

/** A receiver that settles by hand, one message at a time. */
async function receiver(connection: Connection, source: unknown) {
  const link: Receiver = connection.open_receiver({
    source: source as string,
    ...{ autoaccept: false, autosettle: false, credit_window: 0, rcv_settle_mode: 1 },
  });
  await once(link, "receiver_open");
  return async (): Promise<Settled> => {
    const arrived = once(link, "message") as Promise<[EventContext]>;
    link.add_credit(1);
    const [{ message, delivery }] = await arrived;
    return { delivery: delivery as never, count: message?.delivery_count ?? 0 };
  };
}

/** What the server says of a settlement: it is done, or not. */
async function answer({ delivery }: Settled): Promise<unknown> {
  const [{ delivery: settled }] = (await once(delivery.link, "settled")) as [EventContext];
  return settled?.remote_state;
}
const DONE = sections.accepted();

describe("released", () => {
  test.each([
    ["a queue", "q", "q"],
    ["a session", "s", { address: "s", filter: { "com.microsoft:session-filter": "A" } }],
  ])("a message of %s comes again as if it had never gone out, however often", async (_, queue, source) => {
    const { client, server } = await startEmulator({ queues });
    await client.createSender(queue).sendMessages({ body: 1, sessionId: "A" });
    const next = await receiver(await connectAmqp(server.port), source);
    for (let n = 0; n < 6; n++) {
      const message = await next();
      expect(message.count).toBe(0);
      message.delivery.release();
      expect(await answer(message)).toEqual(DONE);
    }
    expect(server.counters()).toMatchObject({
      [`${queue}.ops.released`]: 6,
      [`${queue}.ops.abandoned`]: 0,
      [`${queue}.ready`]: 1,
      [`${queue}.dead`]: 0,
    });
  });

  test("what was counted before stays", async () => {
    const { client, server } = await startEmulator({ queues });
    await client.createSender("q").sendMessages({ body: 1 });
    const next = await receiver(await connectAmqp(server.port), "q");
    const counts: number[] = [];
    for (const settle of ["modified", "release", "modified", "release"] as const) {
      const message = await next();
      counts.push(message.count);
      message.delivery[settle]();
      await answer(message);
    }
    expect(counts).toEqual([0, 1, 1, 2]);
    expect(server.counters()).toMatchObject({ "q.ready": 1, "q.dead": 0 });
  });
});

test.each([
  ["without a word on failure, as the SDKs abandon", {}],
  ["as failed", { delivery_failed: true }],
])("modified %s counts, and ends in the dead letters", async (_, modified) => {
  const { client, server } = await startEmulator({ queues });
  await client.createSender("q").sendMessages({ body: 1 });
  const next = await receiver(await connectAmqp(server.port), "q");
  for (const count of [0, 1, 2]) {
    const message = await next();
    expect(message.count).toBe(count);
    message.delivery.modified(modified);
    await answer(message);
  }
  const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
  expect(dead.deadLetterReason).toBe("MaxDeliveryCountExceeded");
});

test("a state that decides nothing leaves the message with its receiver, who may decide later", async () => {
  const { client, server } = await startEmulator({ queues });
  await client.createSender("q").sendMessages({ body: 1 });
  const next = await receiver(await connectAmqp(server.port), "q");
  const message = await next();
  message.delivery.update(false, RECEIVED());
  await client.createReceiver("q").peekMessages(1);
  expect(server.counters()).toMatchObject({ "q.locked": 1 });
  message.delivery.accept();
  expect(await answer(message)).toEqual(DONE);
  expect(server.counters()).toMatchObject({ "q.locked": 0, "q.ready": 0, "q.ops.completed": 1 });
});

describe("transactions", () => {
  const REFUSED = {
    error: {
      condition: "amqp:not-implemented",
      description: "Transactions are not supported by the local Service Bus.",
    },
  };

  test("an outcome within one is refused, and nothing becomes of the message", async () => {
    const { client, clock, server } = await startEmulator({ queues });
    await client.createSender("q").sendMessages({ body: 1 });
    const next = await receiver(await connectAmqp(server.port), "q");
    const message = await next();
    message.delivery.update(false, IN_TRANSACTION());
    expect(await answer(message)).toMatchObject(REFUSED);
    expect(server.counters()).toMatchObject({ "q.locked": 1, "q.ops.completed": 0 });
    clock.advance(LOCK_MS);
    expect((await receiveOne(client.createReceiver("q"))).deliveryCount).toBe(1);
  });

  test("a message within one is refused, and the link goes on", async () => {
    const { client, server } = await startEmulator({ queues });
    const connection = await connectAmqp(server.port);
    const sender = connection.open_sender("q");
    await once(sender, "sendable");
    // rhea knows no such transfer: its eighth field is the state.
    const session = sender.session as unknown as { output(frame: { value: unknown[] }, data: unknown): void };
    const output = session.output.bind(sender.session);
    session.output = (frame, data) => {
      frame.value[7] = IN_TRANSACTION();
      output(frame, data);
    };
    const rejected = once(sender, "rejected") as Promise<[EventContext]>;
    sender.send({ body: 1 });
    expect((await rejected)[0].delivery?.remote_state).toMatchObject(REFUSED);
    session.output = output;
    sender.send({ body: rhea.message.data_section(Buffer.from("2")) as never });
    expect((await receive(client.createReceiver("q"), 1)).map(({ body }) => body)).toEqual([2]);
  });
});
