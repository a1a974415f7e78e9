import { afterAll, expect, it } from "vitest";
import { answer, completion } from "../../labs.ts";
import { World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());

/** What a sweep's turn asks of the store. */
async function asked(sweep: () => Promise<void>): Promise<Record<string, number>> {
  const before = { ...world.cosmos.counters() };
  await sweep();
  const after = world.cosmos.counters();
  const more = Object.entries(after).map(([name, n]) => [name, n - (before[name] ?? 0)] as const);
  return Object.fromEntries(more.filter(([name, n]) => n > 0 && !name.includes("request_charge")));
}

it("a sweep asks two questions while no job lives and no file or batch is due, and finds the next that is", async () => {
  const { clock, labs, nudges } = world;
  const instance = world.instance();
  labs.reply("openai-one", answer(200, completion("Hello")));
  await instance.run(await world.accepted());
  await instance.sweep();
  clock.advance(1_000);
  const idle = await asked(() => instance.sweep());
  expect(idle.query).toBe(2);
  expect(idle.batch).toBeUndefined();
  const key = await world.accepted();
  clock.advance(60_000);
  await instance.sweep();
  expect(nudges.of(key)).toHaveLength(1);
});
