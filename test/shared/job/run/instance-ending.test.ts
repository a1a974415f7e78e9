import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { awaitEnd } from "../../../../shared/job/ending/await-end.ts";
import { answer, completion, silence } from "../../labs.ts";
import { type Instance, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
let ending: Instance;
let other: Instance;

beforeEach(() => {
  for (const list of [labs.calls, nudges.sent, releases.sent]) list.length = 0;
  ending = world.instance("ending");
  other = world.instance("other");
});

/** Jobs whose calls run at the instance that ends. */
async function running(many: number) {
  labs.reply("openai-one", silence);
  const keys = await Promise.all(Array.from({ length: many }, () => world.accepted()));
  const runs = keys.map((key) => ending.run(key));
  await world.turnUntil(() => labs.calls.length === many);
  return { keys, runs };
}

describe("an instance that is told to end", () => {
  it("hands its running jobs back: no attempt is spent, and another instance runs them within 2 s", async () => {
    const { keys, runs } = await running(3);
    const toldMs = clock.now();
    await ending.service.handOver();
    await Promise.all(runs);
    for (const key of keys) {
      const { job, trail } = await world.seen(key);
      expect(job).toMatchObject({ status: "queued", waiting: null, attempts: 1, attempts_spent: 0 });
      expect(job.unknown_costs).toEqual({ 1: "no_answer" });
      expect(trail.at(-1)).toMatchObject({
        event: "attempt_failed",
        reason: "instance_ending",
        outcome: "aborted",
        cost: null,
        cost_unknown: "no_answer",
      });
    }
    labs.reply("openai-one", answer(200, completion("Hello")));
    clock.advance(2_000);
    const sent = releases.take(clock.now());
    expect(sent.map(({ job_id }) => job_id).sort()).toEqual(keys.map(({ job_id }) => job_id).sort());
    await Promise.all(sent.map((nudge) => other.run(nudge)));
    expect(clock.now() - toldMs).toBeLessThanOrEqual(2_000);
    for (const key of keys) {
      const { job, events } = await world.seen(key);
      expect(job).toMatchObject({ status: "completed", attempts: 2, attempts_spent: 1 });
      expect(events).toEqual([
        ...["accepted", "attempt_started", "attempt_failed", "attempt_started", "completed"],
      ]);
    }
  });

  it("takes no job any more: what comes is sent anew with all that it carries", async () => {
    await ending.service.handOver();
    const key = await world.accepted();
    const nudge = { ...key, dead_lease: { claim_id: "c", renewals: 3 } };
    await ending.run(nudge);
    expect(await world.eventsOf(key)).toEqual(["accepted"]);
    expect(labs.calls).toEqual([]);
    expect(releases.take(clock.now())).toEqual([]);
    expect(releases.take(clock.now() + 1_000)).toEqual([nudge]);
  });

  it("keeps a message that it can neither run nor send", async () => {
    await ending.service.handOver();
    const key = await world.accepted();
    releases.failing = true;
    await expect(ending.run(key)).rejects.toThrow("Service Bus is away");
    releases.failing = false;
  });

  it("makes no call of a claim that was under way: nothing left, so nothing is billed", async () => {
    labs.reply("openai-one", answer(200, completion("Hello")));
    const key = await world.accepted();
    const run = ending.run(key);
    // Its reads and its claim are under way.
    await ending.service.handOver();
    await run;
    const { job, trail } = await world.seen(key);
    expect(labs.calls).toEqual([]);
    expect(job).toMatchObject({ status: "queued", attempts_spent: 0 });
    expect(job.unknown_costs).toBeUndefined();
    expect(trail.at(-1)).not.toHaveProperty("cost_unknown");
    expect(releases.of(key)).toHaveLength(1);
  });

  it("lets nobody wait: the client is answered with the job as it is", async () => {
    const { keys, runs } = await running(1);
    const [key] = keys;
    if (key === undefined) throw new Error("no job");
    const held = awaitEnd({ ...ending.service, running: ending.running }, key, 30);
    await world.settled();
    await ending.service.handOver();
    await Promise.all(runs);
    expect((await held)?.job.value.status).not.toBe("completed");
  });

  it("hands over once, and rejects for nothing: a store that is away leaves its jobs to the sweeper", async () => {
    const { keys, runs } = await running(1);
    const [key] = keys;
    if (key === undefined) throw new Error("no job");
    releases.failing = true;
    await Promise.all([ending.service.handOver(), ending.service.handOver()]);
    await Promise.all(runs);
    releases.failing = false;
    clock.advance(60_000);
    await other.sweep();
    expect(nudges.of(key)).toHaveLength(1);
  });
});
