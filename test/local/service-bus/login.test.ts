import { once } from "node:events";
import rhea, { type EventContext } from "rhea";
import { describe, expect, test, vi } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
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
import { receiveOne, startEmulator } from "./emulator.ts";

const HOUR_MS = 3_600_000;
const NO_WINDOW = { credit_window: 0 } as const;

describe("logging in", () => {
  test("MSSBCBS and a token, as the .NET SDK: sends and receives", async () => {
    const { client, server } = await startEmulator();
    const connection = await connectAmqp(server.port, BY_TOKEN);
    const cbs = await RequestPair.open(connection, "$cbs");
    expect(await putToken(cbs, "sb://localhost/q", Date.now() + HOUR_MS)).toBe(202);
    const sender = connection.open_sender("q");
    await once(sender, "sendable");
    sender.send({ body: "by token" });
    const receiver = connection.open_receiver("q");
    const [{ message }] = (await once(receiver, "message")) as [EventContext];
    expect(message?.body).toBe("by token");
    await client.createSender("q").sendMessages({ body: "by the JavaScript SDK" });
  });

  test("PLAIN with a key, as Qpid JMS or AMQP.NET Lite: everything is open, without a token", async () => {
    const { client, server } = await startEmulator();
    const connection = await connectAmqp(server.port, BY_KEY);
    const sender = connection.open_sender("q");
    await once(sender, "sendable");
    sender.send({ body: rhea.message.data_section(Buffer.from('"by key"')) as never });
    expect((await receiveOne(client.createReceiver("q"))).body).toBe("by key");
    const management = await RequestPair.open(connection, "q/$management");
    const peeked = await management.request(
      { operation: "com.microsoft:peek-message" },
      { "message-count": 1 },
    );
    expect(peeked.application_properties?.statusCode).toBe(200);
  });

  test.each([
    ["no key", "\0name\0"],
    ["no name", "\0\0key"],
    ["a name alone", "name"],
    ["nothing", ""],
    ["too much", "\0name\0key\0more"],
  ])("PLAIN with %s is refused, and that connection ends", async (_, response) => {
    const { server, log } = await startEmulator();
    const sasl_mechanisms = {
      PLAIN: () => ({ start: (say: (error: undefined, text: string) => void) => say(undefined, response) }),
    };
    const connection = connectAmqp(server.port, { sasl_mechanisms });
    // rhea's client goes on waiting after a refusal; the server does not.
    await expect(
      Promise.race([connection, vi.waitUntil(() => log.length > 0, { timeout: 60_000 })]),
    ).resolves.toBe(true);
    await expect.poll(() => server.counters().connections).toBe(0);
    expect(log.join("\n")).toMatch(/is not let in: SASL PLAIN must name a key and give it/);
  });
});

describe("tokens", () => {
  const queues = [queueSettings("q"), queueSettings("other"), queueSettings("s", { requiresSession: true })];
  const start = async () => {
    const tokenClock = new ManualClock();
    const emulator = await startEmulator({ queues, tokenClock });
    const connection = await connectAmqp(emulator.server.port, BY_TOKEN);
    const session = await openSession(connection);
    const cbs = await RequestPair.open(connection, "$cbs");
    return {
      ...emulator,
      ...{ connection, session, tokenClock },
      put: (path: string, ms: number) => putToken(cbs, `sb://localhost/${path}`, tokenClock.now() + ms),
      send: (target: string) => session.open_sender({ target, name: `send ${target} ${Math.random()}` }),
      listen: (source: unknown) =>
        session.open_receiver({
          ...NO_WINDOW,
          source: source as string,
          name: `listen ${source} ${Math.random()}`,
        }),
    };
  };
  const REFUSED = { ends: [null, null], error: "amqp:unauthorized-access" };

  test("without one no link opens, either way", async () => {
    const { send, listen } = await start();
    const sender = send("q");
    expect(await attached(sender)).toEqual(REFUSED);
    expect((sender.error as { description: string }).description).toMatch(
      /^Unauthorized access\. 'Send' claim\(s\) are required .* Resource: 'sb:\/\/localhost\/q'\.$/,
    );
    expect(await attached(listen("q"))).toEqual(REFUSED);
    expect(await attached(send("q/$management"))).toEqual(REFUSED);
    // What is there is told to those alone who may know.
    expect(await attached(send("missing"))).toEqual(REFUSED);
  });

  test("one opens its entity and what lies below, whatever the case of the letters; one of the namespace, all", async () => {
    const { send, listen, put } = await start();
    expect(await put("Q", HOUR_MS)).toBe(202);
    const links = [send("q"), listen("q/$DeadLetterQueue"), send("q/$management")];
    for (const reply of await Promise.all(links.map(attached))) expect(reply).not.toHaveProperty("error");
    expect(await attached(send("other"))).toEqual(REFUSED);
    expect(await put("", HOUR_MS)).toBe(202);
    expect(await attached(send("other"))).not.toHaveProperty("error");
  });

  test("an expired one is refused, and opens nothing", async () => {
    const { send, put } = await start();
    expect(await put("q", 0)).toBe(401);
    expect(await attached(send("q"))).toEqual(REFUSED);
  });

  test("one that runs out closes its links alone; one put again in time keeps them", async () => {
    const { client, connection, send, listen, put, tokenClock } = await start();
    await put("q", HOUR_MS);
    await put("other", HOUR_MS);
    const [sender, receiver, other] = [send("q"), listen("q"), send("other")];
    await Promise.all([sender, receiver, other].map(attached));
    tokenClock.advance(HOUR_MS / 2);
    await put("other", HOUR_MS);
    const closed = [once(sender, "sender_close"), once(receiver, "receiver_close")];
    tokenClock.advance(HOUR_MS / 2);
    await Promise.all(closed);
    for (const [link, claim] of [
      [sender, "Send"],
      [receiver, "Listen"],
    ] as const) {
      expect(link.error).toMatchObject({
        condition: "amqp:link:detach-forced",
        description: expect.stringMatching(
          `force detached. Code: RenewToken. Details: Unauthorized access. '${claim}' claim`,
        ),
      });
    }
    // The link that was closed gets nothing more.
    await client
      .createSender("q")
      .sendMessages({ body: 1 })
      .catch(() => undefined);
    expect(other.is_open()).toBe(true);
    await put("q", HOUR_MS);
    expect(await attached(send("q"))).not.toHaveProperty("error");
    expect(connection.is_open()).toBe(true);
  });

  test("a link that still waits for a session is refused when its token runs out", async () => {
    const { listen, put, tokenClock } = await start();
    await put("s", HOUR_MS);
    const waiting = listen({ address: "s", filter: { "com.microsoft:session-filter": null } });
    const outcome = attached(waiting);
    await attached(listen("s")); // after it, over the same connection
    tokenClock.advance(HOUR_MS);
    expect(await outcome).toEqual({ ends: [null, null], error: "amqp:link:detach-forced" });
  });
});
