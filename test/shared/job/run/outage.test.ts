import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { Log } from "../../../../shared/log.ts";
import type { JobKey } from "../../../../shared/store.ts";
import { answer, completion, type Reply } from "../../labs.ts";
import { GRACE_MS, type Instance, World } from "../../world.ts";

const logged: { event: string; by?: unknown; state?: unknown }[] = [];
const note: Log["info"] = (event, fields) => void logged.push({ event, ...fields });
const world = await World.open({
  settings: { maxAttempts: 5, maxDeadlineSeconds: 86_400 },
  log: { info: note, warn: note, error: note },
});
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
let worker: Instance;

/** A day: however often it is tried, the deadline does not end it. */
const DAY_MS = 86_400_000;
const reset: Reply = ({ request }) => request.socket.destroy();

beforeEach(() => {
  for (const list of [labs.calls, nudges.sent, releases.sent]) list.length = 0;
  worker = world.instance();
});

/** Delivers what is due until the job has ended; the clock goes from one message to the next. */
async function until(done: () => Promise<boolean>, stepMs = 500): Promise<void> {
  await world.turnUntil(async () => {
    for (const list of [nudges, releases])
      for (const nudge of list.take(clock.now())) await world.turning(worker.run(nudge));
    return done();
  }, stepMs);
}
const isEnded = async (key: JobKey) => !["queued", "in_progress"].includes((await world.job(key)).status);

/** Answers so for a while, then well. */
function illFor(deployment: string, ms: number, reply: Reply): void {
  const wellMs = clock.now() + ms;
  labs.reply(deployment, (call) =>
    (clock.now() < wellMs ? reply : answer(200, completion("well again")))(call),
  );
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const WORDS = { error: { message: "Access token is missing, invalid, or has expired" } };

describe("a lone job, its deadline a day away", () => {
  const survives = async (_what: string, ms: number, reply: Reply) => {
    illFor("openai-one", ms, reply);
    const key = await world.accepted({ deadlineMs: clock.now() + DAY_MS });
    const beganMs = clock.now();
    await worker.run(key);
    await until(() => isEnded(key), 2_000);
    expect((await world.seen(key)).job).toMatchObject({ status: "completed", attempts_spent: 1 });
    // It is found well within a twentieth of the time, or a minute.
    expect(clock.now() - beganMs).toBeLessThan(ms + Math.max(MINUTE_MS, ms / 10) + 5_000);
    expect(labs.calls.length).toBeLessThan(ms === HOUR_MS ? 90 : 12);
  };

  it.each([
    ["a minute of 503", MINUTE_MS, answer(503, { error: { message: "Loading model" } })],
    ["a minute of 401", MINUTE_MS, answer(401, WORDS)],
    ["a minute of 404", MINUTE_MS, answer(404, { error: { code: "DeploymentNotFound", message: "no" } })],
    [
      "a minute of a spent quota",
      MINUTE_MS,
      answer(429, { error: { code: "insufficient_quota", message: "check your plan and billing" } }),
    ],
  ])("survives %s and spends no attempt on it", survives);

  it.each([
    ["an hour of 503", HOUR_MS, answer(503, "<html>")],
    ["an hour of 401", HOUR_MS, answer(401, WORDS)],
    ["an hour of 402", HOUR_MS, answer(402, { error: { message: "Insufficient Balance" } })],
  ])("survives %s and spends no attempt on it", { tags: ["long"] }, survives);

  it("survives a minute of connections that break, which may be paid for", async () => {
    illFor("openai-one", MINUTE_MS, reset);
    const key = await world.accepted({ deadlineMs: clock.now() + DAY_MS });
    await worker.run(key);
    await until(() => isEnded(key));
    const { job } = await world.seen(key);
    expect(job.status).toBe("completed");
    expect(job.attempts_spent).toBe(job.attempts);
  });

  it("survives an hour in which no connection is made", { tags: ["long"] }, async () => {
    world.catalogue = labs.catalogue("openai-one", { name: "gone-one", base_url: "http://127.0.0.1:1/v1" });
    const key = await world.accepted({ model: "gone-one-model", deadlineMs: clock.now() + DAY_MS });
    await worker.run(key);
    const beganMs = clock.now();
    await until(async () => clock.now() - beganMs > HOUR_MS, 5_000);
    expect(await world.job(key)).toMatchObject({
      status: "queued",
      attempts_spent: 0,
      waiting: { cause: "deployment_failing", since_ms: beganMs },
    });
    world.catalogue = labs.catalogue("openai-one", "gone-one");
    labs.reply("gone-one", answer(200, completion("here")));
    await until(() => isEnded(key), 5_000);
    expect((await world.job(key)).status).toBe("completed");
  });
});

describe("whose failure it is", () => {
  it("a job that alone breaks the server ends after its attempts, with ever longer pauses", {
    tags: ["long"],
  }, async () => {
    labs.reply("openai-one", ({ body, response }) =>
      body.includes("poison")
        ? answer(500, { error: { message: "segfault" } })({ body, response } as never)
        : answer(200, completion("fine"))({ body, response } as never),
    );
    const text = (content: string) =>
      JSON.stringify({ model: "openai-one-model", messages: [{ role: "user", content }] });
    const poison = await world.accepted({ bodyText: text("poison"), deadlineMs: clock.now() + DAY_MS });
    await worker.run(poison);
    let served = 0;
    await until(async () => {
      const other = await world.accepted({ bodyText: text("good"), tenantId: "team-b" });
      await world.turning(worker.run(other));
      served += (await world.job(other)).status === "completed" ? 1 : 0;
      return isEnded(poison);
    });
    const { job, trail } = await world.seen(poison);
    expect(job).toMatchObject({
      status: "failed",
      attempts_spent: 5,
      error: { code: "attempts_exhausted", message: expect.stringContaining("segfault") },
    });
    const starts = trail.filter(({ event }) => event === "attempt_started").map(({ at }) => at);
    const pauses = starts.slice(2).map((at, n) => at - (starts[n + 1] ?? 0));
    for (const [n, pause] of pauses.slice(1).entries()) expect(pause).toBeGreaterThan(pauses[n] ?? 0);
    expect(served).toBeGreaterThan(10);
  });

  it("goes to the other target while one is ill, and asks the first again when both are", async () => {
    world.catalogue = labs.catalogue("openai-one", "xai-two");
    illFor("openai-one", 20_000, answer(503, {}));
    illFor("xai-two", HOUR_MS, answer(402, {}));
    const key = await world.accepted({ model: "both", deadlineMs: clock.now() + DAY_MS });
    await worker.run(key);
    await until(() => isEnded(key));
    expect(await world.job(key)).toMatchObject({
      status: "completed",
      deployment: "openai-one",
      refused_by: [],
    });
  });
});

describe("twenty jobs while a key is changed", () => {
  it("all complete, and most of them wait for the probe of another", { tags: ["long"] }, async () => {
    illFor("openai-one", 10_000, answer(401, WORDS));
    logged.length = 0;
    const keys = await Promise.all(
      Array.from({ length: 20 }, () => world.accepted({ deadlineMs: clock.now() + DAY_MS })),
    );
    for (const key of keys) await worker.run(key);
    const waits = await Promise.all(keys.map(async (key) => (await world.job(key)) as never));
    const reasons = waits.map(({ waiting }: { waiting: { cause: string } | null }) => waiting?.cause);
    expect(new Set(reasons)).toEqual(new Set(["credential_refused"]));
    await until(async () => (await Promise.all(keys.map(isEnded))).every((each) => each));
    for (const key of keys) expect((await world.job(key)).status).toBe("completed");
    expect(labs.calls.length).toBeLessThan(60);
    // Whose breaker shut it, and whose let the line go again.
    const told = logged.filter(({ event }) => event === "breaker");
    expect(told).toContainEqual({
      event: "breaker",
      deployment: "openai-one",
      state: "open",
      by: "instance",
    });
    expect(told.map(({ by }) => by)).toContain("dispatcher");
    expect(told.at(-1)).toMatchObject({ state: "closed" });
  });
});

describe("a job whose workers die", () => {
  it("has more such attempts than others, and waits longer each time", async () => {
    labs.reply("openai-one", () => undefined);
    const key = await world.accepted({ deadlineMs: clock.now() + DAY_MS });
    const dead: Instance[] = [];
    const stuck: Promise<void>[] = [];
    let nudge = key;
    for (let losses = 0; losses < 8; losses++) {
      const taker = world.frozen();
      dead.push(taker);
      const called = labs.nextCall();
      stuck.push(taker.run(nudge));
      await called;
      for (let rounds = 0; rounds < 2; rounds++) {
        clock.advance(GRACE_MS + 1_000);
        await worker.sweep();
      }
      labs.reply("openai-one", losses < 7 ? () => undefined : answer(200, completion("at last")));
      nudge = releases.of(key).at(-1) ?? key;
      if (losses > 0) {
        await worker.run(nudge);
        expect(await world.job(key)).toMatchObject({ status: "queued", waiting: { for: "time" } });
        const { waiting } = (await world.job(key)) as { waiting: { until_ms: number } };
        clock.advance(waiting.until_ms - clock.now());
        nudge = key;
      }
    }
    await worker.run(nudge);
    expect(await world.job(key)).toMatchObject({ status: "completed", attempts_lost: 8, attempts_spent: 1 });
    for (const taker of dead) taker.running.abort(key.job_id, "over");
    await Promise.all(stuck);
  });
});
