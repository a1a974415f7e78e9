import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { end } from "../../../../shared/job/ending/end.ts";
import { draftOf } from "../../../../shared/job/life-cycle.ts";
import type { Nudge } from "../../../../shared/job/ports.ts";
import { change } from "../../../../shared/job/saving.ts";
import { runParts } from "../../../../shared/job/sweep/parts.ts";
import { silence } from "../../labs.ts";
import { GRACE_MS, silent, TestClock, World } from "../../world.ts";
import { inState } from "../samples.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
const { store, sweptJobs } = world.ports;

beforeEach(() => {
  nudges.sent.length = 0;
  releases.sent.length = 0;
});

/** One round of a sweeper that knows nothing yet. */
const sweep = (change: Parameters<World["instance"]>[1] = {}) => world.instance("sweeper", change).sweep();
const nudgesOf = (key: Nudge) => nudges.of(key);
const APART_MS = 30_000;
/** Half of a lease's length and a second more, then all of it. */
const LOST_SECONDS = (GRACE_MS / 1000) * 1.5 + 1;

describe("the sweeper", () => {
  it("nudges a job whose nudge was lost, less and less often", { tags: ["long"] }, async () => {
    const key = await world.accepted();
    const seenAt: number[] = [];
    for (let second = 1; second <= 80; second++) {
      clock.advance(1_000);
      const before = nudgesOf(key).length;
      await sweep();
      if (nudgesOf(key).length > before) seenAt.push(second);
    }
    expect(seenAt).toEqual([10, 20, 40, 80]);
  });

  it("wakes a job for its deadline", async () => {
    const key = await world.accepted({ deadlineMs: clock.now() + 3_000 });
    clock.advance(3_000);
    await sweep();
    expect(nudgesOf(key)).toHaveLength(1);
  });

  it.each([-APART_MS, APART_MS])(
    "whose own clock is %i ms off finds a lost nudge when it is due",
    async (off) => {
      const key = await world.accepted();
      clock.advance(9_999);
      await sweep({ clock: new TestClock(clock.now() + off) });
      expect(nudgesOf(key)).toEqual([]);
      clock.advance(1);
      await sweep({ clock: new TestClock(clock.now() + off) });
      expect(nudgesOf(key)).toHaveLength(1);
    },
  );

  it.each([-APART_MS, 0, APART_MS])(
    "finds a lost worker in the same time whose clock was %i ms off",
    async (off) => {
      labs.reply("openai-one", silence);
      const key = await world.accepted();
      const called = labs.nextCall();
      const lost = world.frozen(off);
      const run = lost.run(key);
      await called;
      let seconds = 0;
      for (; releases.of(key).length === 0 && seconds < 100; seconds++) {
        clock.advance(1_000);
        await sweep();
      }
      expect(seconds).toBe(LOST_SECONDS);
      lost.running.abort(key.job_id, "test_over");
      await run;
    },
  );

  it("nudges the job of a lost worker apart from new ones, which may be many", async () => {
    labs.reply("openai-one", silence);
    const key = await world.accepted();
    const called = labs.nextCall();
    const lost = world.frozen();
    const run = lost.run(key);
    await called;
    const { claim_id } = inState(await world.job(key), "in_progress").lease;
    const fresh = await world.accepted();
    for (let second = 0; second < LOST_SECONDS; second++) {
      clock.advance(1_000);
      await sweep();
    }
    const dead_lease = { claim_id, renewals: 0 };
    expect(releases.sent.map(({ nudge }) => nudge)).toEqual([
      expect.objectContaining({ ...key, dead_lease }),
    ]);
    expect(nudgesOf(key)).toEqual([]);
    expect(nudgesOf(fresh)).not.toEqual([]);
    lost.running.abort(key.job_id, "test_over");
    await run;
  });

  it("tells when Service Bus is away, ends soon, and asks for no longer wait once it is back", async () => {
    const keys = await Promise.all(Array.from({ length: 40 }, () => world.accepted()));
    let asked = 0;
    const away = {
      send: () => {
        asked++;
        return Promise.reject(new Error("Service Bus is away"));
      },
    };
    for (let round = 0; round < 5; round++) {
      clock.advance(10_000);
      await expect(sweep({ nudges: away })).rejects.toThrow("away");
    }
    expect(asked).toBeLessThanOrEqual(5 * 20);
    clock.advance(10_000);
    await sweep();
    for (const key of keys) expect(nudgesOf(key)).toHaveLength(1);
  });

  it("is not held up by a Service Bus that takes nudges and does not say so", async () => {
    const key = await world.accepted();
    clock.advance(10_000);
    const asked = Promise.withResolvers<void>();
    const mute = {
      send: (nudge: Nudge, { patienceMs = 600_000 }: { patienceMs?: number } = {}) => {
        if (nudge.job_id !== key.job_id) return nudges.send(nudge);
        const answer = Promise.withResolvers<void>();
        clock.after(patienceMs, () => answer.reject(new Error("not answered")));
        asked.resolve();
        return answer.promise;
      },
    };
    const round = sweep({ nudges: mute });
    await asked.promise;
    clock.advance(3_000);
    await expect(round).rejects.toThrow("not answered");
    clock.advance(10_000);
    await sweep();
    expect(nudgesOf(key)).toHaveLength(1);
  });

  it("goes on past a job that cannot be nudged, tells of it, and comes back to it", async () => {
    const keys = await Promise.all(Array.from({ length: 30 }, () => world.accepted()));
    const bad = keys[3]?.job_id;
    clock.advance(10_000);
    const picky = {
      send: (nudge: Nudge) =>
        nudge.job_id === bad ? Promise.reject(new Error("not this one")) : nudges.send(nudge),
    };
    await expect(sweep({ nudges: picky })).rejects.toThrow("not this one");
    for (const key of keys) expect(nudgesOf(key)).toHaveLength(key.job_id === bad ? 0 : 1);
    clock.advance(10_000);
    await sweep();
    for (const key of keys) expect(nudgesOf(key).length).toBeGreaterThan(0);
  });
});

describe("what is overdue", () => {
  it("is found by its time alone, the longest overdue first; what has ended is gone from the index", async () => {
    expect(await sweptJobs.now()).toBe(clock.now());
    const one = await world.accepted();
    clock.advance(1_000);
    const two = await world.accepted();
    clock.advance(60_000);
    const overdue = async () => (await sweptJobs.overdue(clock.now(), 1_000)).map(({ job_id }) => job_id);
    const found = await overdue();
    expect(found.indexOf(one.job_id)).toBeGreaterThanOrEqual(0);
    expect(found.indexOf(one.job_id)).toBeLessThan(found.indexOf(two.job_id));
    await change(store, one, clock, (job) =>
      end(draftOf(inState(job, "queued")), { status: "cancelled", nowMs: clock.now(), actor: "c" }),
    );
    expect(await overdue()).not.toContain(one.job_id);
  });

  it("is asked for at once with late leases: nothing is due before its time, by either", async () => {
    const never = { fromMs: 0, toMs: 0 };
    await world.accepted();
    const [first] = await sweptJobs.overdue(Number.MAX_SAFE_INTEGER, 1);
    expect(first).toBeDefined();
    expect(await sweptJobs.isAnyDue(0, never)).toBe(false);
    expect(await sweptJobs.isAnyDue(Number.MAX_SAFE_INTEGER, never)).toBe(true);
    // A queued job was written then, and has no lease that could be late.
    expect(await sweptJobs.lateLeases(0, { fromMs: 0, toMs: clock.now() }, 1)).toEqual([]);
    expect(await sweptJobs.isAnyDue(0, { fromMs: 0, toMs: clock.now() })).toBe(false);
  });
});

describe("a sweep's parts", () => {
  it("each run whatever the others do, and each failure is logged and shows", async () => {
    const ran: string[] = [];
    const logged: unknown[] = [];
    const log = { ...silent, error: (event: string, fields?: object) => logged.push({ event, ...fields }) };
    const parts = {
      first: () => Promise.reject(new Error("no store")),
      second: async () => ran.push("second"),
      third: () => {
        throw new Error("a bug");
      },
      fourth: async () => ran.push("fourth"),
    };
    await expect(runParts(parts, log)).rejects.toThrow(
      "failed: first (Error: no store), third (Error: a bug)",
    );
    expect(ran).toEqual(["second", "fourth"]);
    expect(logged).toEqual([
      { event: "sweep_part_failed", part: "first", reason: "Error: no store" },
      { event: "sweep_part_failed", part: "third", reason: "Error: a bug" },
    ]);
  });
});
