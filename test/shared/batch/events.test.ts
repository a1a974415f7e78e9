import { afterAll, beforeAll, expect, it } from "vitest";
import { Receiver } from "../webhook/receiver.ts";
import { BatchWorld, type Line } from "./batch-world.ts";

/** What webhooks tell of batches: their ends, and of their lines nothing. */
const batches = await BatchWorld.open();
const { world, client } = batches;
const receiver = new Receiver();
beforeAll(async () => {
  await receiver.start();
  const event_types = [
    ...(["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"] as const),
    ...(["job.completed", "job.failed", "job.cancelled", "job.expired"] as never[]),
  ];
  await world.turning(client.webhooks.create({ name: "n", url: receiver.url(), event_types }));
});
afterAll(async () => {
  await receiver.stop();
  await world.close();
});

const { clock, deliveries } = world;
const deliver = async () => {
  for (const nudge of deliveries.take(clock.now())) await batches.instance.deliver(nudge);
};
/** @returns what was told, once all of it was */
async function told(lines: readonly Line[], meanwhile: (id: string) => Promise<unknown>, window = "24h") {
  receiver.received.length = 0;
  const { id } = await batches.create(lines, { completion_window: window as never });
  await meanwhile(id);
  await world.turnUntil(async () => {
    batches.deliver();
    await batches.instance.sweep();
    await deliver();
    return (await batches.native(`batches/${id}`)).json.ended;
  }, 500);
  for (let n = 0; n < 3; n++) await deliver();
  const events = receiver.received.map(({ body }) => JSON.parse(body));
  for (const event of events) expect(event).toMatchObject({ object: "event", data: { id } });
  return events.map(({ type }) => type);
}
const nothing = async () => undefined;

it.each([
  ["completed", [{ custom_id: "a" }, { custom_id: "b", says: "bad" }], nothing],
  ["failed", [{ custom_id: "a", model: "none" }], nothing],
  ["cancelled", [{ custom_id: "a" }], (id: string) => client.batches.cancel(id)],
] as const)("that one has %s", async (end, lines, meanwhile) => {
  expect(await told(lines, meanwhile)).toEqual([`batch.${end}`]);
});

it("that one has expired", async () => {
  const late = async (id: string) => {
    batches.holdsLine = true;
    await batches.until(id, ({ status }) => status === "in_progress");
    clock.advance(601_000);
    batches.holdsLine = false;
  };
  expect(await told([{ custom_id: "a" }], late, "10m")).toEqual(["batch.expired"]);
});

it("in the very write that ends it, and sent by the sweeper where the message was lost", async () => {
  receiver.received.length = 0;
  deliveries.failing = true;
  const batch = await batches.ended((await batches.create([{ custom_id: "a" }])).id);
  expect(batch.status).toBe("completed");
  deliveries.failing = false;
  clock.advance(120_000);
  await world.turnUntil(async () => {
    await batches.instance.sweep();
    await deliver();
    return receiver.received.length > 0;
  }, 1_000);
  expect(JSON.parse(receiver.received[0]?.body ?? "")).toMatchObject({
    type: "batch.completed",
    data: { id: batch.id },
  });
});
