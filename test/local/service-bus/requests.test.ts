import rhea, { type Message } from "rhea";
import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import {
  attached,
  BY_KEY,
  BY_TOKEN,
  connectAmqp,
  openSession,
  putToken,
  RequestPair,
} from "./amqp-client.ts";
import { receive, receiveOne, startEmulator } from "./emulator.ts";

const encode = (message: object) => rhea.message.encode(message as never) as unknown as Buffer;
const status = (reply: Message) => reply.application_properties?.statusCode as number;
const peek = (pair: RequestPair) =>
  pair.request({ operation: "com.microsoft:peek-message" }, { "message-count": 1 });

/** Lock tokens as a request names them. */
const uuids = (lockToken: string) =>
  rhea.types.wrap_array([rhea.string_to_uuid(lockToken)], 0x98, undefined as never);

/** As `RenewMessageLockAsync` of one message. */
const renew = (pair: RequestPair, lockToken: string) =>
  pair.request({ operation: "com.microsoft:renew-lock" }, { "lock-tokens": uuids(lockToken) });

/** As `ScheduleMessageAsync`. */
const schedule = (pair: RequestPair, at: number, message: object) => {
  const message_annotations = { "x-opt-scheduled-enqueue-time": rhea.types.wrap_timestamp(at) };
  return pair.request(
    { operation: "com.microsoft:schedule-message" },
    { messages: [{ "message-id": "m", message: encode({ message_annotations, ...message }) }] },
  );
};

describe("requests of a .NET client, sent settled and without a tag, many at once", () => {
  test("20 messages scheduled over one pair of links", async () => {
    const { server, clock } = await startEmulator();
    const pair = await RequestPair.open(await connectAmqp(server.port), "q/$management");
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, body) => schedule(pair, clock.now() + 60_000, { body })),
    );
    expect(replies.map(status)).toEqual(replies.map(() => 200));
    expect(server.counters()["q.scheduled"]).toBe(20);
  });

  test("32 locks renewed", async () => {
    const { client, server, clock } = await startEmulator();
    await client.createSender("q").sendMessages(Array.from({ length: 32 }, (_, body) => ({ body })));
    const messages = await receive(client.createReceiver("q"), 32);
    clock.advance(1_000);
    const pair = await RequestPair.open(await connectAmqp(server.port), "q/$management");
    const replies = await Promise.all(messages.map(({ lockToken = "" }) => renew(pair, lockToken)));
    const until = clock.now() + 60_000;
    expect(replies.map(({ body }) => body.expirations[0].getTime())).toEqual(replies.map(() => until));
  });

  test("tokens and management over several pairs on one connection", async () => {
    const queues = Array.from({ length: 10 }, (_, n) => queueSettings(`q${n}`));
    const { client, server } = await startEmulator({ queues });
    for (const { name } of queues) await client.createSender(name).sendMessages({ body: name });
    const connection = await connectAmqp(server.port, BY_TOKEN);
    const tokens = await Promise.all(queues.map(() => RequestPair.open(connection, "$cbs")));
    const codes = await Promise.all(
      tokens.flatMap((pair) =>
        queues.map(({ name }) => putToken(pair, `sb://localhost/${name}`, Date.now() + 60_000)),
      ),
    );
    expect(codes).toEqual(codes.map(() => 202));
    // Each node is asked over a pair of its own; all of them want the reply at the same name.
    const pairs = await Promise.all(
      queues.map(({ name }) => RequestPair.open(connection, `${name}/$management`, "replies")),
    );
    const replies = await Promise.all(pairs.map(peek));
    const bodies = replies.map(({ body }) => rhea.message.decode(body.messages[0].message).body.content);
    expect(bodies.map(String)).toEqual(queues.map(({ name }) => JSON.stringify(name)));
  });

  test("two pairs on one node, whose replies go to the same name", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1 });
    const connection = await connectAmqp(server.port);
    const first = await RequestPair.open(connection, "q/$management", "replies");
    const second = await RequestPair.open(connection, "q/$management", "replies");
    const replies = await Promise.all([first, second].map(peek));
    expect(replies.map(status)).toEqual([200, 200]);
  });
});

test("what is too much for the queue is told so; what is far too much ends the link, as there is no other answer", async () => {
  const { server, clock } = await startEmulator();
  const pair = await RequestPair.open(await connectAmqp(server.port), "q/$management");
  const body = (bytes: number) => ({ body: rhea.message.data_section(Buffer.alloc(bytes)) });
  const tooMuch = await schedule(pair, clock.now() + 60_000, body(2_000_000));
  expect(tooMuch.application_properties).toMatchObject({
    statusCode: 413,
    errorCondition: "amqp:link:message-size-exceeded",
  });
  void schedule(pair, clock.now() + 60_000, body(9_000_000));
  expect(await pair.closed()).toBe("amqp:link:message-size-exceeded");
  expect(server.counters()["q.scheduled"]).toBe(0);
});

test("replies that found the client's window shut follow when it opens", async () => {
  const { client, server } = await startEmulator();
  await client.createSender("q").sendMessages({ body: "x".repeat(3_000) });
  const small = { max_frame_size: 1_024, session_buffer_size: { incoming: 8, outgoing: 2_048 } };
  const pair = await RequestPair.open(
    await connectAmqp(server.port, { ...BY_KEY, ...small }),
    "q/$management",
  );
  const replies = await Promise.all(Array.from({ length: 40 }, () => peek(pair)));
  expect(replies.map(status)).toEqual(replies.map(() => 200));
});

test("properties that a request sets keep their types", async () => {
  const { client, server } = await startEmulator();
  const connection = await connectAmqp(server.port);
  await client.createSender("q").sendMessages({ body: 1 });
  const { lockToken = "" } = await receiveOne(client.createReceiver("q"));
  const typed = {
    int: rhea.types.wrap_int(1),
    long: rhea.types.wrap_long(2),
    byte: rhea.types.wrap_byte(3),
    double: rhea.types.wrap_double(4),
    when: rhea.types.wrap_timestamp(5),
    uuid: rhea.types.wrap_uuid(Buffer.alloc(16, 6)),
    nothing: null,
  };
  const pair = await RequestPair.open(connection, "q/$management");
  const reply = await pair.request(
    { operation: "com.microsoft:update-disposition" },
    {
      "disposition-status": "abandoned",
      "lock-tokens": uuids(lockToken),
      "properties-to-modify": rhea.types.wrap_map(typed),
    },
  );
  expect(status(reply)).toBe(200);
  const session = await openSession(connection);
  const receiver = session.open_receiver("q");
  const bytes = new Promise<Buffer>((resolve) => {
    const { incoming } = session as unknown as {
      incoming: { on_transfer(frame: { payload: Buffer }): void };
    };
    incoming.on_transfer = ({ payload }) => resolve(payload);
  });
  await attached(receiver);
  const wanted = encode({ application_properties: typed as never, body: "" });
  // The map as it was sent, of whatever size its head says.
  const entries = wanted.subarray(wanted.indexOf("int") - 2, wanted.indexOf(Buffer.from([0, 0x53, 0x77])));
  expect((await bytes).includes(entries)).toBe(true);
});
