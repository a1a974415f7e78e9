import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBusClient, ServiceBusMessage } from "@azure/service-bus";
import type { Injector } from "./injector.ts";
import type { Chances } from "./seeded.ts";
import type { Service } from "./service.ts";

/** How long the courier is at work. */
const AT_WORK_MS = 3_000;
const ARMFUL = 16;
const MOST_DELAY_MS = 5_000;
const QUEUES = ["nudges", "releases"] as const;

/**
 * A courier takes nudges off the queues, as any reader could, and puts them back as he likes: some never, some twice,
 * some later, all in another order.
 */
export const courier: Injector = {
  name: "nudges dropped, doubled, delayed, reordered",
  run: async ({ service }, c) =>
    withServiceBus(service, async (client) => {
      const until = performance.now() + AT_WORK_MS;
      const receivers = QUEUES.map((queue) =>
        client.createReceiver(queue, { receiveMode: "receiveAndDelete" }),
      );
      while (performance.now() < until) {
        for (const [n, receiver] of receivers.entries()) {
          const taken = await receiver.receiveMessages(ARMFUL, { maxWaitTimeInMs: 100 });
          const back = shuffled(
            taken.flatMap(({ body }) => fateOf(body, c)),
            c,
          );
          if (back.length > 0) await client.createSender(QUEUES[n] ?? "nudges").sendMessages(back);
        }
        await sleep(50);
      }
    }),
};

function fateOf(body: unknown, c: Chances): ServiceBusMessage[] {
  const message: ServiceBusMessage = { body, contentType: "application/json" };
  const later = (): ServiceBusMessage => ({
    ...message,
    scheduledEnqueueTimeUtc: new Date(Date.now() + c.whole(100, MOST_DELAY_MS)),
  });
  return c.weighted<() => ServiceBusMessage[]>([
    [3, () => []],
    [3, () => [message, message]],
    [2, () => [message, later()]],
    [3, () => [later()]],
    [2, () => [message]],
  ])();
}

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
