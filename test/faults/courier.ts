import { setTimeout as sleep } from "node:timers/promises";
import type {
  ServiceBusClient,
  ServiceBusMessage,
  ServiceBusReceiver,
  ServiceBusSender,
} from "@azure/service-bus";
import type { Injector } from "./injector.ts";
import type { Chances } from "./seeded.ts";
import type { Service } from "./service.ts";

/** How long the courier is at work. */
const AT_WORK_MS = 3_000;
const ARMFUL = 16;
const MOST_DELAY_MS = 5_000;
const QUEUES = ["nudges", "releases"] as const;

/** What a courier may do with a message, and by what weight; `back` is what he puts on the queue again. */
const FATES = [
  { fate: "dropped", weight: 3, back: () => [] },
  { fate: "doubled", weight: 3, back: (message) => [message, message] },
  { fate: "doubled", weight: 2, back: (message, c) => [message, later(message, c)] },
  { fate: "delayed", weight: 3, back: (message, c) => [later(message, c)] },
  { fate: "reordered", weight: 2, back: (message) => [message] },
] as const satisfies readonly Fate[];

interface Fate {
  readonly fate: string;
  readonly weight: number;
  readonly back: (message: ServiceBusMessage, c: Chances) => ServiceBusMessage[];
}

/** As the tally calls them. */
export const COURIER_KINDS = [...new Set(FATES.map(({ fate }) => `nudges ${fate}`))];

/**
 * A courier takes nudges off the queues, as any reader could, and puts them back as he likes: some never, some twice,
 * some later, all in another order. No other plan is in force meanwhile, for he could not work under it.
 */
export const courier: Injector = {
  name: "a courier at work on the queues",
  run: async ({ service, plans, tally }, c) => {
    const done = new Set<string>();
    await plans.take(() =>
      withServiceBus(service, async (client) => {
        const until = performance.now() + AT_WORK_MS;
        const receivers = QUEUES.map((queue) =>
          client.createReceiver(queue, { receiveMode: "receiveAndDelete" }),
        );
        while (performance.now() < until) {
          for (const [n, receiver] of receivers.entries()) {
            const sender = client.createSender(QUEUES[n] ?? "nudges");
            for (const fate of await anArmful(receiver, sender, c)) {
              done.add(fate);
              tally.add(`nudges ${fate}`);
            }
          }
          await sleep(50);
        }
      }),
    );
    return FATES.every(({ fate }) => done.has(fate));
  },
};

/** Takes some messages and puts back what their fates leave of them; answers those fates. */
async function anArmful(
  receiver: ServiceBusReceiver,
  sender: ServiceBusSender,
  c: Chances,
): Promise<readonly string[]> {
  const taken = await receiver.receiveMessages(ARMFUL, { maxWaitTimeInMs: 100 });
  const fates = taken.map(() => c.weighted(FATES.map((fate) => [fate.weight, fate] as const)));
  const back = taken.flatMap(
    ({ body }, at) => fates[at]?.back({ body, contentType: "application/json" }, c) ?? [],
  );
  if (back.length > 0) await sender.sendMessages(shuffled(back, c));
  // One alone in his arms comes back in no other order.
  return fates.map(({ fate }) => fate).filter((fate) => fate !== "reordered" || back.length > 1);
}

const later = (message: ServiceBusMessage, c: Chances): ServiceBusMessage => ({
  ...message,
  scheduledEnqueueTimeUtc: new Date(Date.now() + c.whole(100, MOST_DELAY_MS)),
});

function shuffled<T>(items: readonly T[], c: Chances): T[] {
  return items
    .map((item) => ({ item, at: c.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Messages that are no nudges: each fails its ten deliveries and ends as a dead letter. */
export const POISON: readonly unknown[] = [
  "not JSON {",
  "null",
  "[]",
  "{}",
  '{"v":1,"tenant_id":"team-a"}',
  '{"v":"1","tenant_id":"team-a","job_id":"job_1"}',
  '{"v":1,"tenant_id":{"$gt":""},"job_id":"job_1"}',
  `{"v":1,"tenant_id":"team-a","job_id":"${"x".repeat(300)}"}`,
  JSON.stringify({ v: 1, tenant_id: "", job_id: "job_1" }),
  `{"v":1,"tenant_id":"${"\u0000".repeat(20)}"`,
];

export const poison: Injector = {
  name: "messages that are no nudges",
  run: async ({ service }, c) =>
    withServiceBus(service, async (client) => {
      const messages = POISON.map((body) => ({ body, contentType: "application/json" }));
      await client.createSender(c.pick(QUEUES)).sendMessages(messages);
    }),
};

/** Service Bus may be killed at any moment: what it then held of the courier's is lost, which is his trade. */
async function withServiceBus(
  service: Service,
  work: (client: ServiceBusClient) => Promise<void>,
): Promise<boolean> {
  const client = service.openServiceBus();
  try {
    await work(client);
    return true;
  } catch {
    return false;
  } finally {
    await client.close().catch(() => undefined);
  }
}
