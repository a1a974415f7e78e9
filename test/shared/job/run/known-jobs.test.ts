import { beforeEach, describe, expect, it } from "vitest";
import { awaitEnd } from "../../../../shared/job/ending/await-end.ts";
import { cancelJob } from "../../../../shared/job/ending/cancel.ts";
import { submitJob } from "../../../../shared/job/intake/submit.ts";
import { runJob } from "../../../../shared/job/run/run.ts";
import type { RunDeps } from "../../../../shared/job/run/run-deps.ts";
import { createRunningJobs } from "../../../../shared/job/running-jobs.ts";
import { answer, completion, NudgeList, silent, sweeperOn, workerOn } from "../../world.ts";
import { JobWorld } from "../job-world.ts";
import { submission } from "../samples.ts";

/** A job that was accepted by the process that also runs it, or waits for its end. */
const world = new JobWorld();
const { clock, labs } = world;
let nudges: NudgeList;
let here: RunDeps;
let count = 0;

beforeEach(() => {
  nudges = new NudgeList();
  here = workerOn({ store: world.store, clock, nudges, catalogue: labs.catalogue("one") });
  labs.reply("one", answer(200, completion("Hello")));
});

async function submitted(change: Partial<typeof submission> = {}) {
  const newJobId = () => `job_${String(++count).padStart(32, "5")}`;
  const { job } = await submitJob(
    { ...here, newJobId, nudgeGraceMs: 10_000 },
    { ...submission, model: "one-model", deadlineMs: clock.now() + 3_600_000, ...change },
    { tenantId: "team-a", actor: "team-a/key:1", idempotencyKey: null },
  );
  const nudge = nudges.sent.at(-1)?.nudge;
  if (nudge === undefined) throw new Error("no nudge was sent");
  return { job, nudge };
}

/** Cosmos operations of `work`, by kind. */
async function operations(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = world.opened.cosmos.counters();
  await work();
  const after = world.opened.cosmos.counters();
  const spent = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  // The SDK reads the account once, with its first operation.
  const beside = new Set(["request_units", "account"]);
  return Object.fromEntries(spent.filter(([name, value]) => value > 0 && !beside.has(name)));
}

describe("a job accepted here", () => {
  it("runs with three writes and no read, from its submit to its answer", async () => {
    const spent = await operations(async () => {
      const { job, nudge } = await submitted();
      const waiting = awaitEnd(here, job.value, 60);
      await runJob(here, nudge);
      expect((await waiting)?.job.value.status).toBe("completed");
    });
    expect(spent).toEqual({ batch: 3 });
  });

  it("is read when it has been written since, as by the sweeper, and runs once", async () => {
    const { nudge } = await submitted();
    clock.advance(10_000);
    await sweeperOn(world.opened, { nudges, clock }).sweep(silent);
    await runJob(here, nudge);
    await runJob(here, nudge);
    expect((await world.store.read(nudge))?.value).toMatchObject({ status: "completed", attempts: 1 });
    expect(labs.calls).toHaveLength(1);
  });

  it("is not called for when another process has cancelled it since", async () => {
    const { nudge } = await submitted();
    await cancelJob({ ...here, running: createRunningJobs() }, nudge, "team-a/key:1");
    await runJob(here, nudge);
    expect((await world.store.read(nudge))?.value.status).toBe("cancelled");
    expect(labs.calls).toEqual([]);
  });

  it("is looked for soon when it ends elsewhere, and less often where such jobs end here", async () => {
    const elsewhere = { ...here, running: createRunningJobs() };
    /** A client waits here while the job ends elsewhere; what it has heard `waitMs` later. */
    const heardAfter = async (waitMs: number) => {
      const { job, nudge } = await submitted();
      const waiting = awaitEnd(here, job.value, 60).then((ended) => ended?.job.value.status);
      await runJob(elsewhere, nudge);
      const { read } = await operations(async () => {
        clock.advance(waitMs);
        // By the time these are answered, a look that is due has been made.
        await world.store.read(nudge);
        await world.store.read(nudge);
      });
      return { looked: (read ?? 0) > 2, waiting };
    };
    const first = await heardAfter(25);
    expect(first.looked).toBe(true);
    expect(await first.waiting).toBe("completed");
    for (let n = 0; n < 20; n++) {
      const { nudge } = await submitted();
      await runJob(here, nudge);
    }
    const second = await heardAfter(999);
    expect(second.looked).toBe(false);
    clock.advance(1);
    expect(await second.waiting).toBe("completed");
    // That one ended elsewhere: the next is looked for early again.
    const third = await heardAfter(25);
    expect(await third.waiting).toBe("completed");
  });
});
