import { once } from "node:events";
import { connect, type Socket } from "node:net";
import rhea, { type Connection, type EventContext, type Receiver, type Sender } from "rhea";
import { afterEach, describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { connectAmqp } from "./amqp-client.ts";
import { receive, receiveOne, startEmulator } from "./emulator.ts";

const SASL = Buffer.from("AMQP\x03\x01\x00\x00", "latin1");
const AMQP = Buffer.from("AMQP\x00\x01\x00\x00", "latin1");

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function rawSend(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.write(bytes);
  await once(socket, "close");
  return Buffer.concat(chunks);
}

describe("bytes that are no AMQP", () => {
  const frame = (size: number) => {
    const buffer = Buffer.alloc(8);
    buffer.writeUInt32BE(size, 0);
    buffer[4] = 2;
    return buffer;
  };
  test.each([
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
    ["AMQP 0-9-1", Buffer.from("AMQP\x00\x00\x09\x01", "latin1")],
    ["a frame without a head", Buffer.concat([AMQP, Buffer.alloc(12)])],
    ["a frame of 4 GB", Buffer.concat([AMQP, frame(0xffffffff)])],
    ["a frame of 70 kB", Buffer.concat([SASL, frame(70_000)])],
    ["an open that is cut short", Buffer.concat([AMQP, frame(12), Buffer.from([0, 0x53, 0x10, 0xc0])])],
    [
      "a performative that does not exist",
      Buffer.concat([AMQP, frame(12), Buffer.from([0, 0x53, 0x99, 0x45])]),
    ],
    ["a transfer before anything else", Buffer.concat([AMQP, frame(12), Buffer.from([0, 0x53, 0x14, 0x45])])],
  ])("%s: that connection ends, the others go on", async (_, bytes) => {
    const { client, server, log } = await startEmulator();
    await client.createSender("q").sendMessages({ body: 1 });
    await rawSend(server.port, bytes);
    expect(log.join("\n")).toMatch(/disconnected/);
    expect((await receiveOne(client.createReceiver("q"))).body).toBe(1);
    expect(server.counters().connections).toBe(1);
  });

  const strings = process.env.LONG === "1" ? 10_000 : 60;
  test(`${strings} strings of noise`, { timeout: 30_000 + strings * 20 }, async () => {
    const { client, server, log } = await startEmulator();
    let state = 12345;
    const noise = (length: number) => {
      const buffer = Buffer.alloc(length);
      for (let n = 0; n < length; n++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        buffer[n] = state >>> 16;
      }
      return buffer;
    };
    for (let n = 0; n < strings; n++) {
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => undefined);
      const body = noise(8 + ((n * 37) % 3_000));
      const framed = Buffer.concat([frame(body.length + 8), body]);
      socket.end(Buffer.concat([n % 3 === 0 ? SASL : AMQP, n % 2 === 0 ? body : framed]));
      await once(socket, "close");
    }
    await client.createSender("q").sendMessages({ body: "still here" });
    expect(server.counters()).toMatchObject({ "q.ready": 1, connections: 1 });
    // What was wrong is said; a string that only ends too early has nothing wrong in it.
    expect(log.length).toBeGreaterThan(strings / 4);
    expect(log.filter((line) => !/^127\.0\.0\.1:\d+ is disconnected: .+/.test(line))).toEqual([]);
  });

  test("connections that say nothing, or stop half-way, harm nobody", async () => {
    const { client, server } = await startEmulator();
    for (const bytes of [Buffer.alloc(0), SASL, Buffer.concat([AMQP, frame(30)])]) {
      const socket = connect(server.port, "127.0.0.1");
      sockets.push(socket);
      await once(socket, "connect");
      socket.write(bytes);
    }
    await client.createSender("q").sendMessages({ body: 1 });
    expect(server.counters()).toMatchObject({ "q.ready": 1 });
  });
});

describe("other clients' ways", () => {
  const settled = (sender: Sender) =>
    new Promise<string>((resolve) => {
      sender.once("accepted", () => resolve("accepted"));
      sender.once("rejected", ({ delivery }: EventContext) => {
        resolve(
          (delivery?.remote_state as { error?: { condition: string } })?.error?.condition ?? "rejected",
        );
      });
    });
  const sendable = async (connection: Connection, address: string): Promise<Sender> => {
    const sender = connection.open_sender(address);
    await once(sender, "sendable");
    return sender;
  };
  const longId = "m".repeat(129);

  test.each([
    ["no message at all", Buffer.alloc(0), "amqp:decode-error"],
    ["no section", Buffer.from("hello"), "amqp:decode-error"],
    ["a section that ends too early", Buffer.from([0, 0x53, 0x75, 0xa0, 200, 1]), "amqp:decode-error"],
    [
      "a list that lies about its length",
      Buffer.from([0, 0x53, 0x73, 0xc0, 3, 9, 0x40, 0x40]),
      "amqp:decode-error",
    ],
    ["no body", Buffer.from([0, 0x53, 0x70, 0x45]), "amqp:decode-error"],
    [
      "a message id of 129 characters",
      Buffer.from(rhea.message.encode({ message_id: longId, body: 1 }) as unknown as Uint8Array),
      "com.microsoft:argument-out-of-range",
    ],
  ])("%s is rejected, and the link goes on", async (_, bytes, condition) => {
    const { server } = await startEmulator();
    const sender = await sendable(await connectAmqp(server.port), "q");
    const first = settled(sender);
    sender.send(bytes as never, undefined, 0);
    expect(await first).toBe(condition);
    const second = settled(sender);
    sender.send({ body: "fine" });
    expect(await second).toBe("accepted");
    expect(server.counters()).toMatchObject({ "q.ready": 1 });
  });

  test("a batch that holds a bad message is refused whole", async () => {
    const { server } = await startEmulator();
    const sender = await sendable(await connectAmqp(server.port), "q");
    const good = rhea.message.encode({ body: 1 }) as unknown as Buffer;
    const batch = rhea.message.encode({ body: rhea.message.data_sections([good, Buffer.from("bad")]) });
    const outcome = settled(sender);
    sender.send(batch as never, undefined, 0x80013700);
    expect(await outcome).toBe("amqp:decode-error");
    expect(server.counters()).toMatchObject({ "q.ready": 0 });
  });

  test("annotations and priority come through; the broker's own are not the sender's to set", async () => {
    const { client, server } = await startEmulator();
    const sender = await sendable(await connectAmqp(server.port), "q");
    const outcome = settled(sender);
    sender.send({
      body: rhea.message.data_section(Buffer.from('"x"')) as never,
      priority: 7,
      message_annotations: { "x-mine": "kept", "x-opt-sequence-number": 999, "x-opt-partition-key": "p" },
    });
    await outcome;
    const message = await receiveOne(client.createReceiver("q"));
    const raw = message._rawAmqpMessage;
    expect(raw.messageAnnotations).toMatchObject({ "x-mine": "kept" });
    expect(message.sequenceNumber?.toNumber()).toBe(1);
    expect(message.partitionKey).toBe("p");
    expect(raw.header?.priority).toBe(7);
  });

  test("a receiver that releases, rejects, or settles by itself", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages([1, 2, 3, 4].map((body) => ({ body })));
    const connection = await connectAmqp(server.port);
    const receiver: Receiver = connection.open_receiver({
      source: "q",
      autoaccept: false,
      credit_window: 0,
      rcv_settle_mode: 0,
    });
    receiver.add_credit(4);
    const deliveries: EventContext["delivery"][] = [];
    await new Promise<void>((resolve) => {
      receiver.on("message", ({ delivery }: EventContext) => {
        deliveries.push(delivery);
        if (deliveries.length === 4) resolve();
      });
    });
    const [one, two, three, four] = deliveries;
    one?.accept();
    await new Promise(setImmediate);
    two?.release();
    await new Promise(setImmediate);
    three?.reject({ condition: "app:bad", description: "no use" } as never);
    await new Promise(setImmediate);
    four?.modified({ undeliverable_here: true });
    const again = await receiveOne(client.createReceiver("q"));
    expect(again).toMatchObject({ body: 2, deliveryCount: 0 });
    const dead = await receiveOne(client.createReceiver("q", { subQueueType: "deadLetter" }));
    expect(dead).toMatchObject({
      body: 3,
      deadLetterReason: "app:bad",
      deadLetterErrorDescription: "no use",
    });
    expect(server.counters()).toMatchObject({ "q.deferred": 1, "q.ready": 0, "q.locked": 1 });
  });

  test("links that name nothing, or nothing that is here, are closed with a reason", async () => {
    const { server } = await startEmulator();
    const connection = await connectAmqp(server.port);
    const refusal = async (link: Sender | Receiver, event: string) => {
      await once(link, event);
      return (link.error as { condition: string }).condition;
    };
    expect(await refusal(connection.open_sender("missing"), "sender_close")).toBe("amqp:not-found");
    expect(await refusal(connection.open_receiver("missing"), "receiver_close")).toBe("amqp:not-found");
    expect(await refusal(connection.open_sender({ target: {} }), "sender_close")).toBe("amqp:not-allowed");
    const management = connection.open_sender("missing/$management");
    expect(await refusal(management, "sender_close")).toBe("amqp:not-found");
  });

  test("drain with more credit than messages", async () => {
    const { client, server } = await startEmulator();
    await client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]);
    const connection = await connectAmqp(server.port);
    const receiver = connection.open_receiver({ source: "q", autoaccept: false, credit_window: 0 });
    let received = 0;
    receiver.on("message", () => received++);
    receiver.add_credit(1_000_000);
    receiver.drain_credit();
    await once(receiver, "receiver_drained");
    expect(received).toBe(2);
  });

  test("what was taken for a link that closes before it is sent is ready again", async () => {
    const { client, connect: another, server } = await startEmulator();
    for (let n = 0; n < 5; n++) {
      const other = another();
      const receiver = other.createReceiver("q");
      const waiting = receiver.receiveMessages(50, { maxWaitTimeInMs: 5_000 });
      await client.createSender("q").sendMessages(Array.from({ length: 50 }, (_, body) => ({ body })));
      await Promise.allSettled([waiting, other.close()]);
    }
    const { "q.ready": ready = 0, "q.locked": locked = 0 } = server.counters();
    expect(ready + locked).toBe(250);
    expect(await receive(client.createReceiver("q"), ready)).toHaveLength(ready);
  });

  test.each([
    ["a connection that says goodbye gives its sessions back", true],
    ["one that breaks keeps them until their locks run out", false],
  ])("%s", async (_, goodbye) => {
    const { client, server } = await startEmulator({
      queues: [queueSettings("s", { requiresSession: true })],
    });
    const connection = await connectAmqp(server.port);
    const filter = { "com.microsoft:session-filter": "A" };
    const receiver = connection.open_receiver({
      source: { address: "s", filter } as never,
      credit_window: 0,
    });
    await once(receiver, "receiver_open");
    if (goodbye) connection.close();
    else (connection as never as { socket: Socket }).socket.destroy();
    await expect.poll(() => server.counters().connections).toBe(0);
    const accepted = client.acceptSession("s", "A");
    if (goodbye) expect((await accepted).sessionId).toBe("A");
    else await expect(accepted).rejects.toMatchObject({ code: "SessionCannotBeLocked" });
  });
});
