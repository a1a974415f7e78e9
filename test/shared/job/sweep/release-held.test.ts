import { afterAll, beforeEach, expect, it } from "vitest";
import { answer, completion } from "../../labs.ts";
import { type Instance, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges } = world;
let worker: Instance;

beforeEach(async () => {
  nudges.sent.length = 0;
  worker = world.instance();
  await worker.service.overridesWatch.look();
});

function set(state: "off" | "drained" | undefined): Promise<void> {
  const value = state === undefined ? undefined : { state, mode: "park" as const };
  return world.operate({ list: "switches", kind: "provider", name: "openai", value }, worker);
}

it("holds a job once, looks at it for nothing, and lets it go when the switches change", async () => {
  labs.reply("openai-one", answer(200, completion("Hello")));
  await set("drained");
  const key = await world.accepted();
  await worker.run(key);
  const first = await world.stored(key);
  expect(first.value).toMatchObject({
    status: "queued",
    attempts: 0,
    waiting: { for: "switch", revision: 1 },
  });
  await worker.run(key);
  expect((await world.stored(key)).etag).toBe(first.etag); // nothing was written
  expect(nudges.sent).toEqual([]); // and no nudge goes round

  await worker.sweep();
  expect(nudges.sent).toEqual([]); // no change since it was held
  await set(undefined);
  await worker.sweep();
  await worker.sweep();
  expect(nudges.sent.map((sent) => sent.nudge)).toEqual([key]);
  await worker.run(key);
  const ended = (await world.stored(key)).value;
  expect(ended.status).toBe("completed");
  expect(await world.eventsOf(key)).toEqual(["accepted", "waiting", "attempt_started", "completed"]);
});

it("finds a job that a worker held a moment after the change, knowing only the older version", async () => {
  await set("drained");
  const key = await world.accepted();
  const older = world.instance("older");
  await older.service.overridesWatch.look();
  await set(undefined);
  await worker.sweep();
  await older.run(key);
  await worker.sweep();
  expect(nudges.of(key)).toHaveLength(1);
});

it("lets the deadline end a held job", async () => {
  await set("drained");
  const key = await world.accepted();
  await worker.run(key);
  clock.advance(3_600_001);
  await worker.sweep();
  expect(nudges.sent.map((sent) => sent.nudge)).toContainEqual(key);
  await worker.run(key);
  expect((await world.stored(key)).value).toMatchObject({ status: "expired" });
});
