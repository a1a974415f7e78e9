import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { cancelJob } from "../../../../shared/job/ending/cancel.ts";
import type { Nudge } from "../../../../shared/job/ports.ts";
import { MAX_RESPONSE_BYTES } from "../../../../shared/limits.ts";
import { dialectSchema } from "../../../../shared/model/dialect.ts";
import { sha256Hex } from "../../../../shared/sha256.ts";
import { answer, completion, silence } from "../../labs.ts";
import { GRACE_MS, type Instance, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
let worker: Instance;

beforeEach(() => {
  for (const list of [labs.calls, nudges.sent, releases.sent]) list.length = 0;
  worker = world.instance();
});

describe("a job's run", () => {
  it("calls the deployment with the body as it was but for the model, and stores the answer", async () => {
    labs.reply("openai-one", answer(200, completion("Hello"), { "x-request-id": "req-1" }));
    const key = await world.accepted();
    await worker.run(key);
    const { job, events } = await world.seen(key);
    expect(job).toMatchObject({
      status: "completed",
      deployment: "openai-one",
      provider: "openai",
      simulated: true,
      attempts: 1,
      usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
      cost: { amount: "0.00002", currency: "USD" },
    });
    expect(events).toEqual(["accepted", "attempt_started", "completed"]);
    expect(labs.calls[0]?.body).toBe(
      '{"model":"openai-one-model","n":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}',
    );
    const response = await world.ports.store.readResponse(key);
    expect(response).toMatchObject({
      status_code: 200,
      request_id: "req-1",
      body: JSON.stringify(completion("Hello")),
    });
  });

  it("puts the body in the deployment's dialect, and records the hash of what it sent", async () => {
    const dialect = dialectSchema.parse({ rename: { n: "choices" }, roles: { user: "developer" } });
    const file = world.catalogue;
    world.catalogue = labs.catalogue({ name: "openai-one", dialect });
    labs.reply("openai-one", answer(200, completion("Hello")));
    const key = await world.accepted();
    await worker.run(key);
    world.catalogue = file;
    const sent =
      '{"model":"openai-one-model","choices":12345678901234567890,"messages":[{"role":"developer","content":"Hi"}]}';
    expect(labs.calls[0]?.body).toBe(sent);
    const [, started] = (await world.seen(key)).trail;
    expect(started?.request_sha256).toBe(sha256Hex(sent));
  });

  it("does nothing for a nudge that comes twice", async () => {
    labs.reply("openai-one", answer(200, completion("once")));
    const key = await world.accepted();
    await worker.run(key);
    await worker.run(key);
    expect(labs.calls).toHaveLength(1);
  });

  it("lets one of two workers have it", async () => {
    labs.reply("openai-one", answer(200, completion("once")));
    const key = await world.accepted();
    await Promise.all([worker.run(key), world.instance("other").run(key)]);
    expect(labs.calls).toHaveLength(1);
    expect((await world.seen(key)).events).toEqual(["accepted", "attempt_started", "completed"]);
  });

  it("fails on a refusal of the request, with the deployment's words", async () => {
    const refusal = { error: { message: "bad temperature", code: "invalid_value" } };
    labs.reply("openai-one", answer(400, refusal));
    const key = await world.accepted();
    await worker.run(key);
    const { job } = await world.seen(key);
    expect(job).toMatchObject({
      status: "failed",
      error: { code: "upstream_bad_request" },
      has_response: true,
    });
    expect((await world.ports.store.readResponse(key))?.body).toBe(JSON.stringify(refusal));
  });

  it("goes to the next target at once when a deployment turns it away, or fails", async () => {
    labs.reply("openai-one", answer(401, { error: { message: "wrong key" } }));
    labs.reply("xai-two", answer(200, completion("second")));
    const key = await world.accepted({ model: "both" });
    await worker.run(key);
    const { job, events, trail } = await world.seen(key);
    expect(job).toMatchObject({
      status: "completed",
      deployment: "xai-two",
      attempts: 2,
      attempts_spent: 1,
      refused_by: [],
    });
    expect(events).toEqual(["accepted", "attempt_started", "attempt_failed", "attempt_started", "completed"]);
    expect(trail[3]?.reason).toBe("target 2; passed over: openai-one (failed)");
  });

  it("fails when every deployment turns it away", async () => {
    labs.reply("openai-one", answer(307, {}, { location: "/elsewhere" }));
    labs.reply("xai-two", answer(307, {}, { location: "/elsewhere" }));
    const key = await world.accepted({ model: "both" });
    await worker.run(key);
    expect((await world.seen(key)).job).toMatchObject({
      status: "failed",
      error: { code: "no_deployment_available" },
    });
  });

  it("backs off after a passing fault, and gives up after its attempts", async () => {
    labs.reply("openai-one", answer(200, {}));
    const key = await world.accepted();
    await worker.run(key);
    expect((await world.seen(key)).job).toMatchObject({
      status: "queued",
      attempts: 1,
      waiting: { for: "time" },
    });
    expect(nudges.sent).toHaveLength(1);
    const atMs = nudges.sent[0]?.atMs ?? 0;
    expect(atMs).toBeGreaterThan(clock.now());

    await worker.run(key); // early: nothing happens but another nudge
    expect(labs.calls).toHaveLength(1);
    for (let attempt = 2; attempt <= 3; attempt++) {
      clock.advance(60_000);
      await worker.run(key);
    }
    const { job, events } = await world.seen(key);
    expect(job).toMatchObject({ status: "failed", attempts: 3, error: { code: "attempts_exhausted" } });
    expect(events.slice(-2)).toEqual(["attempt_failed", "failed"]);
  });

  it("waits as long as a 429 says, and spends no attempt", async () => {
    labs.reply("openai-one", answer(429, {}, { "retry-after": "20" }), answer(200, completion("later")));
    const key = await world.accepted();
    await worker.run(key);
    const { job, events, trail } = await world.seen(key);
    expect(job).toMatchObject({ status: "queued", attempts: 1, attempts_spent: 0 });
    expect(events).toEqual(["accepted", "attempt_started", "attempt_failed", "waiting"]);
    expect(trail[2]?.reason).toBe("rate_limited");

    const other = await world.accepted();
    await worker.run(other); // the deployment is left alone meanwhile
    expect(labs.calls).toHaveLength(1);
    const refusedMs = clock.now();
    await world.turnUntil(() => releases.of(key).length > 0);
    expect(clock.now() - refusedMs).toBeGreaterThanOrEqual(20_000);
    expect(nudges.sent).toEqual([]);
    for (const nudge of releases.take(clock.now())) await worker.run(nudge);
    expect((await world.seen(key)).job.status).toBe("completed");
  });

  it("expires at its deadline, in the queue and during a call", async () => {
    const queued = await world.accepted({ deadlineMs: clock.now() + 1_000 });
    clock.advance(2_000);
    await worker.run(queued);
    expect((await world.seen(queued)).job).toMatchObject({
      status: "expired",
      attempts: 0,
      error: { code: "deadline_exceeded" },
    });

    labs.reply("openai-one", silence);
    const running = await world.accepted({ deadlineMs: clock.now() + 5_000 });
    const called = labs.nextCall();
    const run = worker.run(running);
    await called;
    clock.advance(5_000);
    await run;
    expect((await world.seen(running)).job).toMatchObject({ status: "expired", attempts: 1 });
  });

  it("aborts the call when the job is cancelled, and keeps the record of it", async () => {
    labs.reply("openai-one", silence);
    const key = await world.accepted();
    const called = labs.nextCall();
    const run = worker.run(key);
    await called;
    await cancelJob(worker.service, key, "team-a/key:1");
    await run;
    const { job, events } = await world.seen(key);
    expect(job.status).toBe("cancelled");
    expect(events).toEqual(["accepted", "attempt_started", "cancelled", "attempt_superseded"]);
  });

  it("learns of a cancel elsewhere with its next renewal", async () => {
    labs.reply("openai-one", silence);
    const key = await world.accepted();
    const called = labs.nextCall();
    const run = worker.run(key);
    await called;
    await cancelJob(world.instance("elsewhere").service, key, "team-a/key:1");
    clock.advance(GRACE_MS / 3 + 1);
    await run;
    expect((await world.seen(key)).events.at(-1)).toBe("attempt_superseded");
  });

  it("fails at an answer too large to store, and says that its cost is not known", async () => {
    labs.reply("openai-one", answer(200, completion("x".repeat(MAX_RESPONSE_BYTES))));
    const key = await world.accepted();
    await worker.run(key);
    expect((await world.seen(key)).job).toMatchObject({
      status: "failed",
      error: { code: "response_too_large" },
      cost: null,
    });
  });

  it("fails when its tenant or its model was taken out", async () => {
    const key = await world.accepted({ model: "gone" });
    await worker.run(key);
    expect((await world.seen(key)).job).toMatchObject({
      status: "failed",
      error: { code: "model_withdrawn" },
    });
  });

  it("looks again for a job that cannot be found yet, and gives up in the end", async () => {
    const nudge: Nudge = { v: 1, tenant_id: "team-a", job_id: `job_${"f".repeat(32)}` };
    await worker.run(nudge);
    expect(nudges.sent).toEqual([{ nudge: { ...nudge, looks: 1 }, atMs: clock.now() + 1_000 }]);
    await worker.run({ ...nudge, looks: 12 });
    expect(nudges.sent).toHaveLength(1);
  });
});

describe("a lost worker", () => {
  it("is found by the sweeper, which needs to see the lease unchanged for its whole length", async () => {
    labs.reply("openai-one", silence, answer(200, completion("again")));
    const dead = world.frozen();
    const key = await world.accepted();
    const called = labs.nextCall();
    const stuck = dead.run(key);
    await called;

    await worker.run(key);
    expect(labs.calls).toHaveLength(1); // a live lease: nothing to do

    // Late from 6 s on, by its length of 10 s; each round is another sweeper's, as where instances die young.
    for (const seconds of [5, 1, 5, 4]) {
      clock.advance(seconds * 1000);
      await world.instance("young").sweep();
      expect(releases.of(key)).toEqual([]);
    }
    clock.advance(1_000);
    await world.instance("young").sweep();
    expect(releases.of(key)).toHaveLength(1);

    await worker.run(releases.of(key)[0] as Nudge);
    const { job, events } = await world.seen(key);
    expect(job).toMatchObject({ status: "completed", attempts: 2 });
    expect(events).toEqual(["accepted", "attempt_started", "attempt_lost", "attempt_started", "completed"]);
    // The most that the prompt can be, and 128 answers of any length, the most that `n` is taken for.
    const [, , lost] = (await world.seen(key)).trail;
    expect(lost).toMatchObject({ cost: null, estimate: { amount: "33.554469", currency: "USD" } });
    // The first worker thaws: its answer changes nothing but the trail.
    dead.running.abort(key.job_id, "thawed");
    await stuck;
    expect((await world.seen(key)).events.at(-1)).toBe("attempt_superseded");
    expect((await world.seen(key)).job.status).toBe("completed");
  });

  it("is no lost worker while it renews", async () => {
    labs.reply("openai-one", silence);
    const key = await world.accepted();
    const called = labs.nextCall();
    const run = worker.run(key);
    await called;
    for (let renewals = 1; renewals <= 8; renewals++) {
      clock.advance(GRACE_MS / 3 + 1);
      await world.settled();
      expect(await world.job(key)).toMatchObject({ lease: { renewals } });
      await worker.sweep();
    }
    expect(releases.of(key)).toEqual([]);
    worker.running.abort(key.job_id, "test_over");
    await run;
  });
});
