import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import rhea, { type EventContext, type Receiver, type Sender } from "rhea";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectAmqp } from "./amqp-client.ts";
import { connectTo } from "./emulator.ts";

const KILLS = process.env.LONG === "1" ? 200 : 4;
/** How long a server is left alive, ms: long enough for some hundred messages. */
const LEAST_LIFE_MS = 30;
const MOST_LIFE_MS = 150;
const SENDS_UNDER_WAY = 20;
/** Enough, over all lives, to look through in the end. */
const MAX_MESSAGES_A_LIFE = 400;

let folder: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "service-bus-kill-"));
});

afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const { accepted } = rhea.message as unknown as { accepted(): { described(): unknown } };
const ACCEPTED = accepted().described();

/** What the client did, and what it was told. */
class Ledger {
  readonly sent = new Set<string>();
  readonly accepted = new Set<string>();
  readonly settled = new Set<string>();
  readonly confirmed = new Set<string>();
  readonly twice: string[] = [];
}

async function startServer(): Promise<number> {
  child = fork(join(import.meta.dirname, "server-process.ts"), [join(folder, "service-bus.db")], {
    execArgv: [],
  });
  const [{ port }] = await once(child, "message");
  return port;
}

async function killServer(): Promise<void> {
  const gone = child === undefined ? undefined : once(child, "exit");
  child?.kill("SIGKILL");
  await gone;
}

function keepSending(sender: Sender, life: number, ledger: Ledger): void {
  const ids = new Map<unknown, string>();
  const send = () => {
    while (
      ids.size < SENDS_UNDER_WAY &&
      ledger.sent.size < (life + 1) * MAX_MESSAGES_A_LIFE &&
      sender.sendable()
    ) {
      const id = `m${ledger.sent.size}`;
      ledger.sent.add(id);
      ids.set(sender.send({ message_id: id, body: "x" }).id, id);
    }
  };
  sender.on("sendable", send);
  sender.on("accepted", ({ delivery }: EventContext) => {
    const id = ids.get(delivery?.id);
    ids.delete(delivery?.id);
    if (id !== undefined) ledger.accepted.add(id);
    send();
  });
}

/** Completes two of three messages; the third stays locked. */
function keepCompleting(receiver: Receiver, ledger: Ledger): void {
  let count = 0;
  const ids = new Map<unknown, string>();
  receiver.on("message", ({ message, delivery }: EventContext) => {
    const id = String(message?.message_id);
    if (ledger.confirmed.has(id)) ledger.twice.push(id);
    if (count++ % 3 === 2) return;
    ledger.settled.add(id);
    ids.set(delivery?.id, id);
    delivery?.update(false, ACCEPTED);
  });
  receiver.on("settled", ({ delivery }: EventContext) => {
    const id = ids.get(delivery?.id);
    if (id !== undefined) ledger.confirmed.add(id);
  });
}

async function peekAll(port: number): Promise<string[]> {
  const receiver = connectTo(port).createReceiver("q");
  const ids: string[] = [];
  for (;;) {
    const page = await receiver.peekMessages(250);
    if (page.length === 0) return ids;
    ids.push(...page.map(({ messageId }) => String(messageId)));
  }
}

test("killed at any moment: what was accepted is there, what was completed is gone", {
  tags: ["long"],
  timeout: KILLS * 2_000 + 100_000,
}, async () => {
  const ledger = new Ledger();
  for (let life = 0; life < KILLS; life++) {
    const connection = await connectAmqp(await startServer());
    keepSending(connection.open_sender("q"), life, ledger);
    const options = { source: "q", autoaccept: false, rcv_settle_mode: 1, credit_window: 50 } as const;
    keepCompleting(connection.open_receiver(options), ledger);
    const lifeMs = LEAST_LIFE_MS + Math.random() * (MOST_LIFE_MS - LEAST_LIFE_MS);
    await new Promise((resolve) => setTimeout(resolve, lifeMs));
    // However slow the machine: a run in which nothing was ever confirmed would show nothing.
    if (life === KILLS - 1)
      await expect.poll(() => Math.min(ledger.accepted.size, ledger.confirmed.size)).toBeGreaterThan(0);
    await killServer();
  }
  const left = await peekAll(await startServer());
  const there = new Set(left);
  expect(left).toHaveLength(there.size);
  expect([...ledger.accepted].filter((id) => !ledger.settled.has(id) && !there.has(id))).toEqual([]);
  expect([...ledger.confirmed].filter((id) => there.has(id))).toEqual([]);
  expect(left.filter((id) => !ledger.sent.has(id))).toEqual([]);
  expect(ledger.twice).toEqual([]);
  expect(ledger.accepted.size).toBeGreaterThan(0);
  expect(ledger.confirmed.size).toBeGreaterThan(0);
});
