import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { answer, completion, silence } from "../shared/labs.ts";
import { Receiver } from "../shared/webhook/receiver.ts";
import { World } from "../shared/world.ts";
import { DoorHere } from "./in-process.ts";

/** What webhooks tell of background responses, by the real SDK: each event says what a reader of the response sees. */
let world: World;
let door: DoorHere;
let secret: string;
const receiver = new Receiver();
const model = "openai-one-model";

beforeAll(async () => {
  // The SDK judges signatures by the machine's clock.
  world = await World.open({ startMs: Date.now(), settings: { maxAttempts: 1 } });
  door = new DoorHere(world);
  await Promise.all([receiver.start(), door.start()]);
  const ends = ["completed", "failed", "incomplete", "cancelled"] as const;
  const event_types = ends.map((end) => `response.${end}` as const);
  ({ signing_secret: secret } = await turning(
    door.client().webhooks.create({
      ...{ name: "all", url: receiver.url("/") },
      event_types: [...event_types, "job.completed" as never],
    }),
  ));
});
afterAll(async () => {
  await door.stop();
  await receiver.stop();
  await world.close();
});
beforeEach(() => {
  receiver.received.length = 0;
});

/** Turns the clock, and delivers what is due, until `done`. The client's own socket is no part of the world. */
const until = (done: () => boolean) =>
  world.turnUntil(async () => {
    door.deliver();
    for (const nudge of world.deliveries.take(world.clock.now())) void door.instance.deliver(nudge);
    await new Promise((resolve) => setTimeout(resolve, 1));
    return done();
  }, 50);
async function turning<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  void work.finally(() => {
    isOver = true;
  });
  await until(() => isOver);
  return work;
}

const cut = { ...completion("Cut"), choices: [{ ...completion("Cut").choices[0], finish_reason: "length" }] };

it.each([
  ["response.completed", answer(200, completion("Whole."))],
  ["response.incomplete", answer(200, cut)],
  ["response.failed", answer(400, { error: { message: "no", type: "invalid_request_error" } })],
  ["response.cancelled", silence],
] as const)("%s comes once, signed, and is what its reader sees", async (type, reply) => {
  world.labs.reply("openai-one", reply);
  const client = door.client();
  const begun = await turning(client.responses.create({ model, input: "Hi", background: true }));
  if (type === "response.cancelled") await turning(client.responses.cancel(begun.id));
  await until(() => receiver.received.length === 1);
  const { body, headers } = receiver.received[0] ?? { body: "", headers: {} };
  const event = await client.webhooks.unwrap(body, headers as Record<string, string>, secret);
  expect(event).toMatchObject({ object: "event", type, data: { id: begun.id } });
  const seen = await turning(client.responses.retrieve(begun.id));
  expect(`response.${seen.status}`).toBe(type);
  expect(world.deliveries.sent).toEqual([]);
});

it("one whose time is over has failed", async () => {
  world.labs.reply("openai-one", silence);
  const client = door.client();
  const options = { headers: { "x-switchyard-deadline-seconds": "5" } };
  const { id } = await turning(client.responses.create({ model, input: "Hi", background: true }, options));
  await world.turnUntil(async () => {
    await door.instance.sweep();
    for (const nudge of world.deliveries.take(world.clock.now())) void door.instance.deliver(nudge);
    return receiver.received.length === 1;
  }, 1_000);
  expect(JSON.parse(receiver.received[0]?.body ?? "")).toMatchObject({
    type: "response.failed",
    data: { id },
  });
});

it("a client that waits hears nothing but its answer, nor is it told of as a job", async () => {
  world.labs.reply("openai-one", answer(200, completion("Whole.")));
  const client = door.client();
  for (const headers of [{}, { "Idempotency-Key": "a key of its own" }])
    await turning(client.responses.create({ model, input: "Hi" }, { headers }));
  const next = await turning(client.responses.create({ model, input: "Hi", background: true }));
  await until(() => receiver.received.length > 0);
  expect(receiver.received.map(({ body }) => JSON.parse(body).data.id)).toEqual([next.id]);
  const job = await world.job({ tenant_id: "team-a", job_id: next.id.replace("resp_", "job_") });
  expect(job.status).toBe("completed");
});
