import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { awaitEnd } from "../../../../shared/job/ending/await-end.ts";
import { cancelJob } from "../../../../shared/job/ending/cancel.ts";
import { submitJob } from "../../../../shared/job/intake/submit.ts";
import { answer, completion } from "../../labs.ts";
import { GRACE_MS, type Instance, silent, World } from "../../world.ts";
import { submission } from "../samples.ts";

/** A job that was accepted by the process that also runs it, or waits for its end. */
const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges } = world;
let here: Instance;
let elsewhere: Instance;

beforeEach(() => {
  labs.calls.length = 0;
  nudges.sent.length = 0;
  [here, elsewhere] = [world.instance(), world.instance("elsewhere")];
  labs.reply("openai-one", answer(200, completion("Hello")));
});

async function submitted(change: Partial<typeof submission> = {}) {
  const { job } = await submitJob(
    { ...here.service.intake, log: silent },
    { ...submission, model: "openai-one-model", deadlineMs: clock.now() + 3_600_000, ...change },
    { tenantId: "team-a", actor: "team-a/key:1", idempotencyKey: null },
  );
  const nudge = nudges.sent.at(-1)?.nudge;
  if (nudge === undefined) throw new Error("no nudge was sent");
  return { job, nudge };
}

/** Cosmos operations of `work`, by kind. */
async function operations(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = world.cosmos.counters();
  await work();
  const after = world.cosmos.counters();
  const spent = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  // The SDK reads the account once, with its first operation.
  const beside = new Set(["request_units", "account"]);
  return Object.fromEntries(spent.filter(([name, value]) => value > 0 && !beside.has(name)));
}

describe("a job accepted here", () => {
  it("runs with three writes and no read, from its submit to its answer", async () => {
    await here.service.fresh();
    const spent = await operations(async () => {
      const { job, nudge } = await submitted();
      const waiting = awaitEnd(here.service, job.value, 60);
      await here.run(nudge);
      expect((await waiting)?.job.value.status).toBe("completed");
    });
    expect(spent).toEqual({ batch: 3 });
  });

  it("is read when it has been written since, as by the sweeper, and runs once", async () => {
    const { nudge } = await submitted();
    clock.advance(GRACE_MS);
    await elsewhere.sweep();
    await here.run(nudge);
    await here.run(nudge);
    expect(await world.job(nudge)).toMatchObject({ status: "completed", attempts: 1 });
    expect(labs.calls).toHaveLength(1);
  });

  it("is not called for when another process has cancelled it since", async () => {
    const { nudge } = await submitted();
    await cancelJob(elsewhere.service, nudge, "team-a/key:1");
    await here.run(nudge);
    expect((await world.job(nudge)).status).toBe("cancelled");
    expect(labs.calls).toEqual([]);
  });

  it("is looked for soon when it ends elsewhere, and less often where such jobs end here", async () => {
    /** A client waits here while the job ends elsewhere; what it has heard `waitMs` later. */
    const heardAfter = async (waitMs: number) => {
      const { job, nudge } = await submitted();
      const waiting = awaitEnd(here.service, job.value, 60).then((ended) => ended?.job.value.status);
      await elsewhere.run(nudge);
      const { read } = await operations(async () => {
        clock.advance(waitMs);
        // By the time these are answered, a look that is due has been made.
        await world.ports.store.read(nudge);
        await world.ports.store.read(nudge);
      });
      return { looked: (read ?? 0) > 2, waiting };
    };
    const first = await heardAfter(25);
    expect(first.looked).toBe(true);
    expect(await first.waiting).toBe("completed");
    for (let n = 0; n < 20; n++) {
      const { nudge } = await submitted();
      await here.run(nudge);
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
