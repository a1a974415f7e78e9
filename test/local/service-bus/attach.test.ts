import rhea, { type Session } from "rhea";
import { describe, expect, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { attached, connectAmqp, type Link, openSession } from "./amqp-client.ts";
import { startEmulator } from "./emulator.ts";

const queues = [queueSettings("q"), queueSettings("s", { requiresSession: true })];
const sessionFilter = (session: string | null) => ({ "com.microsoft:session-filter": session });
let links = 0;

const sending = (session: Session, target: unknown, modes: object = {}): Link =>
  session.open_sender({ ...modes, name: `send-${links++}`, source: { address: "client" }, target } as never);
const listening = (session: Session, source: unknown, modes: object = {}): Link =>
  session.open_receiver({
    ...modes,
    ...{ name: `listen-${links++}`, source, target: { address: "client" }, credit_window: 0 },
  } as never);

async function startSession(options: Parameters<typeof startEmulator>[0] = {}) {
  const emulator = await startEmulator({ queues, ...options });
  return { ...emulator, session: await openSession(await connectAmqp(emulator.server.port)) };
}

describe("the reply to an attach has the modes of settling that were asked for", () => {
  const modes = [0, 1, 2].flatMap((snd) => [0, 1].map((rcv) => ({ snd, rcv })));
  test.each([
    ["a sender", sending, "q"],
    ["a receiver", listening, "q"],
    ["a receiver of dead letters", listening, "q/$DeadLetterQueue"],
    ["a receiver of a session", listening, { address: "s", filter: sessionFilter("A") }],
    ["token requests", sending, "$cbs"],
    ["token replies", listening, "$cbs"],
    ["management requests", sending, "q/$management"],
    ["management replies", listening, "q/$management"],
    ["a sender that is refused", sending, "missing"],
    ["a receiver that is refused", listening, "missing"],
  ] as const)("%s", async (_, open, end) => {
    const { session } = await startSession();
    for (const { snd, rcv } of modes) {
      const link = open(session, end, { snd_settle_mode: snd, rcv_settle_mode: rcv });
      await attached(link);
      expect(link).toMatchObject({ snd_settle_mode: snd, rcv_settle_mode: rcv });
      link.close();
    }
  });
});

test("an open link names both its ends, as they were asked for", async () => {
  const { session } = await startSession();
  expect(await attached(sending(session, "q"))).toEqual({ ends: ["client", "q"] });
  expect(await attached(listening(session, "q"))).toEqual({ ends: ["q", "client"] });
  expect(await attached(sending(session, "$cbs"))).toEqual({ ends: ["client", "$cbs"] });
  expect(await attached(listening(session, "q/$management"))).toEqual({ ends: ["q/$management", "client"] });
  const source = { address: "s", filter: sessionFilter("A") };
  expect(await attached(listening(session, source))).toEqual({ ends: ["s", "client"] });
});

describe("a link that is refused names no end, and is closed with the error", () => {
  test.each([
    ["a sender to an unknown queue", sending, "missing", "amqp:not-found"],
    ["a receiver of an unknown queue", listening, "missing", "amqp:not-found"],
    ["a receiver of a subscription", listening, "topic/Subscriptions/sub", "amqp:not-found"],
    ["management requests to an unknown queue", sending, "missing/$management", "amqp:not-found"],
    ["management replies of an unknown queue", listening, "missing/$management", "amqp:not-found"],
    ["a sender to dead letters", sending, "q/$DeadLetterQueue", "amqp:not-allowed"],
    ["a sender that names nothing", sending, {}, "amqp:not-allowed"],
    ["a receiver that names nothing", listening, {}, "amqp:not-allowed"],
    ["a receiver without a session of a queue with sessions", listening, "s", "amqp:not-allowed"],
    [
      "a receiver with a session of a queue without",
      listening,
      { address: "q", filter: sessionFilter("A") },
      "amqp:not-allowed",
    ],
  ] as const)("%s", async (_, open, end, error) => {
    const { session } = await startSession();
    expect(await attached(open(session, end))).toEqual({ ends: [null, null], error });
    expect(await attached(sending(session, "q"))).toEqual({ ends: ["client", "q"] });
  });

  test("a session that another has", async () => {
    const { session } = await startSession();
    const source = { address: "s", filter: sessionFilter("A") };
    await attached(listening(session, source));
    const error = "com.microsoft:session-cannot-be-locked";
    expect(await attached(listening(session, source))).toEqual({ ends: [null, null], error });
  });

  test("any session, when none comes free in the time that the client gives", async () => {
    const { session, clock } = await startSession();
    const properties = { "com.microsoft:timeout": rhea.types.wrap_uint(5_000) };
    const link = listening(session, { address: "s", filter: sessionFilter(null) }, { properties });
    const reply = attached(link);
    await attached(sending(session, "q")); // after it, over the same connection
    clock.advance(4_999);
    expect(link.is_remote_open()).toBe(false);
    clock.advance(1);
    expect(await reply).toEqual({ ends: [null, null], error: "com.microsoft:timeout" });
  });

  test("a fault that was ordered, at once or late", async () => {
    const { session, server, clock } = await startSession();
    const refuse = { kind: "refuse", condition: "com.microsoft:server-busy" } as const;
    server.setFaults({ seed: 1, rules: [{ operation: "attach", effect: refuse }] });
    for (const open of [sending, listening]) {
      expect(await attached(open(session, "q"))).toEqual({ ends: [null, null], error: refuse.condition });
    }
    server.setFaults({ seed: 1, rules: [{ operation: "attach", effect: { kind: "delay", ms: 1_000 } }] });
    const source = { address: "s", filter: sessionFilter("A") };
    const late = [attached(sending(session, "q")), attached(listening(session, source))];
    const refused = attached(listening(session, "s"));
    await attached(sending(session, "$cbs"));
    clock.advance(1_000);
    expect(await Promise.all(late)).toEqual([{ ends: ["client", "q"] }, { ends: ["s", "client"] }]);
    expect(await refused).toEqual({ ends: [null, null], error: "amqp:not-allowed" });
  });

  test.each([
    ["by number", rhea.types.wrap_ulong(0x30)],
    ["by name", rhea.types.wrap_symbol("amqp:coordinator:list")],
  ])("one for transactions, its target given %s", async (_, descriptor) => {
    const { session, log } = await startSession();
    const link = sending(session, undefined);
    const { types } = rhea as unknown as { types: { described(d: unknown, v: unknown): unknown } };
    // rhea writes the attach at the end of the turn.
    const inside = link as unknown as { local: { attach: { target: unknown } } };
    inside.local.attach.target = types.described(descriptor, rhea.types.wrap_list([]));
    expect(await attached(link)).toEqual({ ends: [null, null], error: "amqp:not-implemented" });
    expect(link.error).toMatchObject({
      description: "Transactions are not supported by the local Service Bus.",
    });
    expect(log).toEqual([]);
  });
});
