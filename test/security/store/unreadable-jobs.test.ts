import { afterEach, beforeEach, expect, it } from "vitest";
import type { LogFields } from "../../../shared/log.ts";
import { silence } from "../../shared/labs.ts";
import { GRACE_MS, World } from "../../shared/world.ts";

/** Items that no version can read, or that somebody damaged, stop nobody, and are told of once. */
const told: LogFields[] = [];
const error = (event: string, fields: LogFields = {}) => void told.push({ event, ...fields });
let world: World;

beforeEach(async () => {
  told.length = 0;
  world = await World.open({ log: { info: () => undefined, warn: () => undefined, error } });
  for (let n = 0; n < 60; n++) {
    const name = { id: "job", kind: "job", tenant_id: "team-a", job_id: `job_bad_${n}` };
    const due = { wake_at_ms: 1, created_at_ms: world.clock.now() };
    const bad = [
      { status: "queued", v: 99 },
      { status: "queued", v: 1, priority: "none" },
      { status: "in_progress", v: 1 },
      { status: "in_progress", v: 1, lease: { claim_id: 7 } },
    ][n % 4];
    await world.jobs.items.create({ ...name, ...due, ...bad } as never);
  }
});
afterEach(() => world.close());

it("the sweeper finds a lost nudge past 60 of them, in one round, and tells of each once", async () => {
  const key = await world.accepted();
  world.clock.advance(GRACE_MS + 1);
  const sweeper = world.instance();
  await sweeper.sweep();
  expect(world.nudges.of(key)).toHaveLength(1);
  const unreadable = () => told.filter(({ event }) => event === "item_unreadable");
  const once = unreadable().length;
  expect(once).toBe(30);
  await sweeper.sweep();
  expect(unreadable()).toHaveLength(once);
  expect(told.filter(({ event }) => event === "sweep_failed")).toEqual([]);
});

it("a tenant's list leaves them out, and a lost worker is found past them", async () => {
  world.labs.reply("openai-one", silence);
  const frozen = world.frozen();
  const key = await world.accepted();
  const called = world.labs.nextCall();
  const run = frozen.run(key);
  await called;
  const { jobs } = await world.ports.store.list("team-a", { limit: 100 });
  expect(jobs.map(({ job_id }) => job_id)).toEqual([key.job_id]);
  const sweeper = world.instance();
  for (let seconds = 0; seconds < 30 && world.releases.of(key).length === 0; seconds++) {
    world.clock.advance(1_000);
    await sweeper.sweep();
  }
  expect(world.releases.of(key)[0]).toHaveProperty("dead_lease");
  frozen.running.abort(key.job_id, "test_over");
  await run;
});
