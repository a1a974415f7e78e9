import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Call } from "../../../local/host/invocation.ts";
import { startServiceBusTrigger, type TriggerHandle } from "../../../local/host/service-bus-trigger.ts";
import { queuesFromResources } from "../../../local/service-bus/config.ts";
import { startServiceBus } from "../../../local/service-bus/server.ts";
import { fakeFunction, silentLog } from "./functions.ts";

const CONFIG = { maxConcurrentCalls: 16, autoComplete: true, maxAutoLockRenewalMs: 60_000 };
const QUEUES = {
  service_bus: {
    queues: [
      {
        name: "work",
        lock_duration_seconds: 60,
        max_delivery_count: 3,
        default_ttl_seconds: null,
        requires_duplicate_detection: false,
        requires_session: false,
        dead_lettering_on_expiration: true,
      },
    ],
  },
};

let open: { close(): Promise<unknown> }[];
let triggers: TriggerHandle[];
beforeEach(() => {
  [open, triggers] = [[], []];
});
afterEach(async () => {
  for (const trigger of triggers) {
    await trigger.stop();
    await trigger.idle();
    await trigger.close();
  }
  for (const server of open) await server.close();
});

async function serviceBus(port = 0): Promise<number> {
  const server = await startServiceBus({
    port,
    databaseFile: ":memory:",
    queues: queuesFromResources(QUEUES),
  });
  open.push(server);
  return server.port;
}

const connectionTo = (port: number) =>
  `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true`;

async function send(port: number, bodies: unknown[]): Promise<void> {
  const client = new ServiceBusClient(connectionTo(port));
  await client.createSender("work").sendMessages(bodies.map((body) => ({ body })));
  await client.close();
}

/** A trigger on `queueName`; `handler` is called with the message and what the host tells of it. */
function trigger(
  port: number,
  queueName: string,
  handler: (body: unknown, metadata: Record<string, unknown>) => Promise<void> | void,
  openPatienceMs?: number,
): void {
  const invoke = async (_: unknown, call: Call) => {
    const metadata = Object.entries(call.triggerMetadata ?? {}).map(([key, data]) => [
      key,
      data.string ?? JSON.parse(data.json ?? "null"),
    ]);
    await handler(JSON.parse(call.data.string ?? "null"), Object.fromEntries(metadata));
    return {};
  };
  triggers.push(
    startServiceBusTrigger(fakeFunction("f", { type: "serviceBusTrigger", queueName, connection: "SB" }), {
      config: CONFIG,
      invoker: { invoke },
      log: silentLog,
      env: { SB: connectionTo(port) },
      ...(openPatienceMs === undefined ? {} : { openPatienceMs }),
    }),
  );
}

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 5));
}

it("settles each message its own way, whatever its neighbours of the same moment do", async () => {
  const port = await serviceBus();
  const deliveries = new Map<number, number[]>();
  let together: (() => void)[] = [];
  trigger(port, "work", async (body, { DeliveryCount }) => {
    const i = body as number;
    deliveries.set(i, [...(deliveries.get(i) ?? []), DeliveryCount as number]);
    // Neighbours end in one turn of the event loop: where rhea would settle both as the first.
    await new Promise<void>((resolve) => {
      together.push(resolve);
      if (together.length === 1) {
        setTimeout(() => {
          for (const end of together) end();
          together = [];
        }, 2);
      }
    });
    if (i % 2 === 1 && DeliveryCount === 1) throw new Error("refused once");
  });
  const count = 120;
  await send(
    port,
    Array.from({ length: count }, (_, i) => i),
  );
  const expected = (i: number) => (i % 2 === 1 ? 2 : 1);
  await until(() => [...deliveries].filter(([i, seen]) => seen.length >= expected(i)).length === count);
  await Promise.all(triggers.map((t) => t.idle()));
  for (const [i, seen] of deliveries) expect(seen, `message ${i}`).toEqual(i % 2 === 1 ? [1, 2] : [1]);
});

it("gives up a message as often as the queue allows, and serves the dead-letter queue", async () => {
  const port = await serviceBus();
  let tries = 0;
  const dead: Record<string, unknown>[] = [];
  trigger(port, "work", () => {
    tries += 1;
    throw new Error("refused");
  });
  trigger(port, "work/$deadletterqueue", (_, metadata) => {
    dead.push(metadata);
  });
  await send(port, ["x"]);
  await until(() => dead.length === 1);
  expect(tries).toBe(3);
  expect(dead[0]).toMatchObject({
    ApplicationProperties: { DeadLetterReason: "MaxDeliveryCountExceeded" },
    MessageId: expect.any(String),
  });
  expect(dead[0]).not.toHaveProperty("DeadLetterReason");
});

it("gives up a connection that does not open, and tries a new one", async () => {
  // A server that takes connections and never says a word, as one that is frozen, or dies just then.
  const sockets: Socket[] = [];
  const silent = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  let seen = 0;
  const count = () => {
    seen += 1;
  };
  trigger(port, "work", count, 10);
  await until(() => sockets.length >= 2);
  silent.close();
  for (const socket of sockets) socket.destroy();
  await serviceBus(port);
  await send(port, ["x"]);
  await until(() => seen === 1);
  expect(seen).toBe(1);
});

it("goes on receiving while one message is in hand and thousands pass it", { tags: ["long"] }, async () => {
  const port = await serviceBus();
  const seen = new Set<number>();
  let letGo = () => {};
  const longOne = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  trigger(port, "work", async (body) => {
    seen.add(body as number);
    if (body === 0) await longOne;
  });
  const count = 2_500;
  for (let from = 0; from < count; from += 500) {
    await send(
      port,
      Array.from({ length: 500 }, (_, i) => from + i),
    );
  }
  await until(() => seen.size === count);
  letGo();
  await Promise.all(triggers.map((t) => t.idle()));
  expect(seen.size).toBe(count);
});
