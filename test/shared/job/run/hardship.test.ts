import { beforeEach, describe, expect, it } from "vitest";
import { nudgeOf } from "../../../../shared/azure/service-bus/nudges.ts";
import { settleDeadLetter } from "../../../../shared/job/letters/dead-letter.ts";
import type { DeadLetter, DeadLetters, Nudge } from "../../../../shared/job/ports.ts";
import { runJob } from "../../../../shared/job/run/run.ts";
import type { RunDeps } from "../../../../shared/job/run/run-deps.ts";
import { POISON } from "../../../faults/courier.ts";
import { answer, completion, NudgeList, silent, sweeperOn, TestClock, workerOn } from "../../world.ts";
import { JobWorld } from "../job-world.ts";

const GRACE_MS = 10_000;
const world = new JobWorld();
const { clock, labs } = world;
let nudges: NudgeList;
let worker: RunDeps;

beforeEach(() => {
  nudges = new NudgeList();
  worker = workerOn({ store: world.store, clock, nudges, catalogue: labs.catalogue("openai-one") });
});

const eventsOf = async (key: Nudge) => (await world.store.audit(key)).map(({ event }) => event);

describe("a job that kills every worker that takes it", () => {
  it("ends as failed, with a reason and a record of each loss, after its attempts", async () => {
    labs.reply("openai-one", () => undefined);
    const key = await world.accepted();
    const sweeper = sweeperOn(world.opened, { nudges, clock });
    const stuck: Promise<void>[] = [];
    const dead: RunDeps[] = [];
    let nudge = key;
    for (let attempt = 1; attempt <= worker.maxAttempts; attempt++) {
      // A worker whose clock stands still never renews: to all others it is gone.
      const { store } = world;
      const taker = workerOn({
        ...{ store, nudges, catalogue: worker.catalogue() },
        clock: new TestClock(clock.now()),
      });
      dead.push(taker);
      const called = labs.nextCall();
      stuck.push(runJob(taker, nudge));
      await called;
      nudges.sent.length = 0;
      for (let rounds = 0; rounds < 2; rounds++) {
        clock.advance(31_000);
        await sweeper.sweep(silent);
      }
      nudge = nudges.sent.at(-1)?.nudge ?? key;
    }
    await runJob(worker, nudge);
    const job = (await world.store.read(key))?.value;
    expect(job).toMatchObject({
      status: "failed",
      attempts: worker.maxAttempts,
      error: {
        code: "attempts_exhausted",
        message: expect.stringContaining("the worker was lost during the call"),
      },
    });
    const pair = ["attempt_started", "attempt_lost"];
    expect(await eventsOf(key)).toEqual(["accepted", ...pair, ...pair, ...pair, "failed"]);
    for (const taker of dead) taker.running.abort(key.job_id, "over");
    await Promise.all(stuck);
    expect((await world.store.read(key))?.value.status).toBe("failed");
  });
});

describe("messages that are no good", () => {
  it.each(POISON.map((body) => [JSON.stringify(body).slice(0, 60), body]))(
    "%s is no nudge",
    (_name, body) => {
      expect(nudgeOf(body)).toBeUndefined();
      expect(nudgeOf(parsed(String(body)))).toBeUndefined();
    },
  );

  it("an unreadable one is kept for the operator, and nothing is sent for it", async () => {
    const kept: DeadLetter[] = [];
    const deadLetters = { keep: async (letter) => void kept.push(letter) } as DeadLetters;
    const letter = { id: "dl_1", message_id: "m", nudge: null, reason: "r", description: "", at_ms: 1 };
    await settleDeadLetter({ store: world.store, nudges, deadLetters, clock, log: silent }, letter);
    expect(kept).toEqual([letter]);
    expect(nudges.sent).toEqual([]);
  });

  it("a nudge with a made-up lease, grant or lateness changes nothing about a running job", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    labs.reply("openai-one", (call) => void held.then(() => answer(200, completion("Hello"))(call)));
    const key = await world.accepted();
    const called = labs.nextCall();
    const run = runJob(worker, key);
    await called;
    const taken = { requests: 1, tokens: 1, at_ms: 0 } as never;
    for (const more of [
      { dead_lease: { claim_id: "nobody's", renewals: 0 } },
      { grant: { deployment: "no-such", taken, lapses_ms: clock.now() + 1_000 } },
      { late: true },
      { looks: -5 },
    ])
      await runJob({ ...worker, actor: "worker:other" }, { ...key, ...more });
    release();
    await run;
    expect(await eventsOf(key)).toEqual(["accepted", "attempt_started", "completed"]);
  });
});

describe("a backlog after an outage", () => {
  it("is nudged once and called once a job, however often it is swept and nudged", async () => {
    const jobs = 40;
    labs.reply("openai-one", answer(200, completion("late")));
    const keys = await Promise.all(Array.from({ length: jobs }, () => world.accepted()));
    const mine = new Set(keys.map(({ job_id }) => job_id));
    const sweeper = sweeperOn(world.opened, { nudges, clock });
    clock.advance(GRACE_MS + 1);
    // Service Bus was away: none of their nudges came. Several rounds come before the first of the sweeper's is read.
    for (let rounds = 0; rounds < 5; rounds++) {
      await sweeper.sweep(silent);
      clock.advance(1_000);
    }
    const sent = nudges.sent.filter(({ nudge }) => mine.has(nudge.job_id));
    expect(sent).toHaveLength(jobs);
    await Promise.all([...sent, ...sent].map(({ nudge }) => runJob(worker, nudge)));
    expect(labs.calls).toHaveLength(jobs);
    nudges.sent.length = 0;
    clock.advance(GRACE_MS * 100);
    await sweeper.sweep(silent);
    expect(nudges.sent.filter(({ nudge }) => mine.has(nudge.job_id))).toEqual([]);
  });
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
