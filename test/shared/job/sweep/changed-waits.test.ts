import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Nudge } from "../../../../shared/job/ports.ts";
import { answer, completion } from "../../labs.ts";
import { type Instance, World } from "../../world.ts";

let world: World;
let worker: Instance;

beforeEach(async () => {
  world = await World.open();
  for (const name of ["openai-one", "xai-two"]) world.labs.reply(name, answer(200, completion("Hello")));
  worker = world.instance();
});
afterEach(() => world.close());

function set(state: "off" | "drained" | undefined, provider = "openai", mode: "park" | "fail_over" = "park") {
  const value = state === undefined ? undefined : { state, mode };
  return world.operate({ list: "switches", kind: "provider", name: provider, value }, worker);
}

describe("a job that waits for a switch", () => {
  it("waits once, is looked at for nothing, and goes when the switches change", async () => {
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
    expect(world.nudges.sent).toEqual([]); // and no nudge goes round

    await worker.sweep();
    expect(world.nudges.sent).toEqual([]); // no change since it was stored
    await set(undefined);
    await worker.sweep();
    await worker.sweep();
    expect(world.nudges.sent.map((sent) => sent.nudge)).toEqual([key]);
    await worker.run(key);
    const ended = (await world.stored(key)).value;
    expect(ended.status).toBe("completed");
    expect(await world.eventsOf(key)).toEqual(["accepted", "waiting", "attempt_started", "completed"]);
  });

  it("is found where a worker stored it a moment after the change, knowing only the older version", async () => {
    await set("drained");
    const key = await world.accepted();
    const older = world.instance("older");
    await older.service.overridesWatch.look();
    await set(undefined);
    await worker.sweep();
    await older.run(key);
    await worker.sweep();
    expect(world.nudges.of(key)).toHaveLength(1);
  });

  it("ends at its deadline", async () => {
    await set("drained");
    const key = await world.accepted();
    await worker.run(key);
    world.clock.advance(3_600_001);
    await worker.sweep();
    expect(world.nudges.sent.map((sent) => sent.nudge)).toContainEqual(key);
    await worker.run(key);
    expect((await world.stored(key)).value).toMatchObject({ status: "expired" });
  });
});

describe("a job that waits for quota", () => {
  const both = { model: "both" };
  /** One deployment's only call of the second is made, and another job waits for the next. */
  async function waiting(): Promise<Nudge> {
    const limits = { requests_per_minute: 60 };
    world.catalogue = world.labs.catalogue(
      { name: "openai-one", limits },
      { name: "xai-two", limits },
      "deepseek-three",
    );
    for (const provider of ["xai", "deepseek"]) await set("off", provider, "fail_over");
    await worker.run(await world.accepted(both));
    const key = await world.accepted(both);
    await worker.run(key);
    expect(await world.job(key)).toMatchObject({ waiting: { for: "quota", deployments: ["openai-one"] } });
    await worker.sweep();
    expect(world.nudges.sent).toEqual([]);
    return key;
  }
  const nudged = async (key: Nudge) => {
    await worker.sweep();
    await worker.sweep();
    expect(world.nudges.take(world.clock.now())).toEqual([key]);
    await worker.run(key);
    return world.job(key);
  };

  it("goes to a deployment that is switched on meanwhile", async () => {
    const key = await waiting();
    world.labs.reply("deepseek-three", answer(200, completion("Hello")));
    await set(undefined, "deepseek");
    expect(await nudged(key)).toMatchObject({ status: "completed", deployment: "deepseek-three" });
  });

  it("waits for a switch once all it could go to is off, though none of them is in line", async () => {
    const key = await waiting();
    await set("off", "openai", "fail_over");
    expect(await nudged(key)).toMatchObject({ waiting: { for: "switch" } });
    await set(undefined, "xai");
    expect(await nudged(key)).toMatchObject({ status: "completed", deployment: "xai-two" });
  });

  it("waits in another line once it could go elsewhere, and the dispatcher knows", async () => {
    const key = await waiting();
    await world.turnUntil(() => worker.service.dispatcher.isLeading);
    const spent = await world.accepted({ model: "xai-two-model" });
    await set(undefined, "xai");
    await worker.run(spent);
    await set("off", "openai", "fail_over");
    world.releases.sent.length = 0;
    expect(await nudged(key)).toMatchObject({ waiting: { for: "quota", deployments: ["xai-two"] } });
    await world.turnUntil(() => world.releases.of(key).length > 0);
    expect(world.releases.of(key)[0]?.grant?.deployment).toBe("xai-two");
  });

  it("stays where it is, in one record, when the change is none for it", async () => {
    const key = await waiting();
    const before = await world.eventsOf(key);
    await world.operate({ list: "tenant_weights", name: "team-b", value: 7 }, worker);
    expect(await nudged(key)).toMatchObject({ waiting: { for: "quota", deployments: ["openai-one"] } });
    expect(await world.eventsOf(key)).toEqual(before);
  });

  it("is looked at again by a worker that has not heard of the change", async () => {
    const key = await waiting();
    const late = world.instance("late");
    await late.service.fresh();
    await set("off", "openai", "fail_over");
    await worker.sweep();
    await late.run(key);
    const { nudge, atMs } = world.nudges.sent.at(-1) ?? {};
    expect([nudge?.job_id, (atMs ?? 0) - world.clock.now()]).toEqual([key.job_id, 2_000]);
    world.clock.advance(2_001);
    await late.run(key);
    expect(await world.job(key)).toMatchObject({ waiting: { for: "switch" } });
  });

  it("goes within minutes where another file leads, though no operator has changed anything", async () => {
    const key = await waiting();
    world.catalogue = world.labs.catalogue("mistral-four");
    world.labs.reply("mistral-four", answer(200, completion("Hello")));
    world.clock.advance(11 * 60_000);
    expect(await nudged(key)).toMatchObject({ status: "completed", deployment: "mistral-four" });
  });
});
