import { afterAll, expect, it } from "vitest";
import { answer, completion } from "../../labs.ts";
import { World } from "../../world.ts";

const world = await World.open({ settings: { maxDeadlineSeconds: 86_400 } });
afterAll(() => world.close());
const { clock, labs } = world;

it("a job's own timeout_seconds has the next target asked, and says nothing of the deployment's health", async () => {
  const worker = world.instance();
  labs.reply("openai-one", () => undefined);
  labs.reply("xai-two", answer(200, completion("Hello")));
  for (let jobs = 0; jobs < 6; jobs++) {
    const key = await world.accepted({ model: "both", timeoutSeconds: 5 });
    const called = labs.nextCall();
    const run = worker.run(key);
    await called;
    clock.advance(5_000);
    await run;
    const { job, trail } = await world.seen(key);
    expect(job).toMatchObject({ status: "completed", deployment: "xai-two", timeout_seconds: 5 });
    expect(trail.map(({ reason }) => reason)).toContain("job_timeout");
    expect(job.attempts_spent).toBe(2);
  }
  expect(worker.service.quota.breakerOf("openai-one")?.state ?? "closed").toBe("closed");
  // It is called as long as it takes where the job does not say.
  const patient = await world.accepted({ model: "both" });
  const called = labs.nextCall();
  const run = worker.run(patient);
  await called;
  clock.advance(6_000);
  expect((await world.job(patient)).status).toBe("in_progress");
  clock.advance(1_800_000);
  await run;
});
