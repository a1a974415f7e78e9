import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { nudgeOf } from "../../../../shared/azure/service-bus/nudges.ts";
import { Repeats, settleDeadLetter } from "../../../../shared/job/letters/dead-letter.ts";
import { MAX_LOST_ATTEMPTS } from "../../../../shared/limits.ts";
import { POISON } from "../../../faults/courier.ts";
import { answer, completion, silence } from "../../labs.ts";
import { GRACE_MS, type Instance, silent, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
let worker: Instance;

beforeEach(() => {
  for (const list of [labs.calls, nudges.sent, releases.sent]) list.length = 0;
  worker = world.instance();
});

describe("a job that kills every worker that takes it", () => {
  it("ends as failed, with a reason and a record of each loss, after its attempts", {
    tags: ["long"],
  }, async () => {
    labs.reply("openai-one", silence);
    const key = await world.accepted({ deadlineMs: clock.now() + 86_400_000 });
    const stuck: Promise<void>[] = [];
    const dead: Instance[] = [];
    let nudge = key;
    for (let attempt = 1; attempt <= MAX_LOST_ATTEMPTS; attempt++) {
      const taker = world.frozen();
      dead.push(taker);
      const called = labs.nextCall();
      stuck.push(taker.run(nudge));
      await called;
      for (let rounds = 0; rounds < 2; rounds++) {
        clock.advance(GRACE_MS + 1_000);
        await worker.sweep();
      }
      nudge = releases.of(key).at(-1) ?? key;
      if (attempt === 1) continue;
      await worker.run(nudge);
      const { waiting } = (await world.job(key)) as { waiting?: { until_ms: number } };
      clock.advance(Math.max(0, (waiting?.until_ms ?? 0) - clock.now()));
      nudge = key;
    }
    expect(await world.job(key)).toMatchObject({
      status: "failed",
      attempts: MAX_LOST_ATTEMPTS,
      attempts_spent: 0,
      error: {
        code: "attempts_exhausted",
        message: expect.stringContaining("the worker was lost during the call"),
      },
    });
    const events = await world.eventsOf(key);
    expect(events.filter((event) => event === "attempt_lost")).toHaveLength(MAX_LOST_ATTEMPTS);
    expect(events.slice(-2)).toEqual(["attempt_lost", "failed"]);
    for (const [n, taker] of dead.entries()) {
      taker.running.abort(key.job_id, "over");
      await stuck[n];
    }
    expect((await world.job(key)).status).toBe("failed");
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
    const letter = { id: "dl_1", message_id: "m", nudge: null, reason: "r", description: "", at_ms: 1 };
    await settleDeadLetter({ ...worker.service, log: silent, repeats: new Repeats() }, letter);
    expect(await world.ports.deadLetters.read("dl_1")).toEqual(letter);
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
    const run = worker.run(key);
    await called;
    const taken = { requests: 1, tokens: 1, at_ms: 0 } as never;
    for (const more of [
      { dead_lease: { claim_id: "nobody's", renewals: 0 } },
      { grant: { deployment: "no-such", taken, lapses_ms: clock.now() + 1_000 } },
      { late: { kid: "0", mac: "0" } },
      { looks: -5 },
    ])
      await world.instance("other").run({ ...key, ...more });
    release();
    await run;
    expect(await world.eventsOf(key)).toEqual(["accepted", "attempt_started", "completed"]);
  });
});

describe("a backlog after an outage", () => {
  it("is nudged once and called once a job, however often it is swept and nudged", async () => {
    const jobs = 20;
    labs.reply("openai-one", answer(200, completion("late")));
    const keys = await Promise.all(Array.from({ length: jobs }, () => world.accepted()));
    const mine = new Set(keys.map(({ job_id }) => job_id));
    clock.advance(GRACE_MS + 1);
    // Service Bus was away: none of their nudges came. Several rounds come before the first of the sweeper's is read.
    for (let rounds = 0; rounds < 5; rounds++) {
      await worker.sweep();
      clock.advance(1_000);
    }
    const sent = nudges.sent.filter(({ nudge }) => mine.has(nudge.job_id));
    expect(sent).toHaveLength(jobs);
    await Promise.all([...sent, ...sent].map(({ nudge }) => worker.run(nudge)));
    expect(labs.calls).toHaveLength(jobs);
    nudges.sent.length = 0;
    clock.advance(GRACE_MS * 100);
    await worker.sweep();
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
