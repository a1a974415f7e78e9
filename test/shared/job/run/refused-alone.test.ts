import { afterAll, describe, expect, it } from "vitest";
import { answer, completion } from "../../labs.ts";
import { World } from "../../world.ts";

const world = await World.open({ settings: { maxDeadlineSeconds: 86_400 } });
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
const DAY_MS = 86_400_000;

/** Delivers what is due until it has come to pass. */
async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  await world.turnUntil(async () => {
    for (const list of [nudges, releases])
      for (const nudge of list.take(clock.now())) await world.turning(worker.run(nudge));
    return done();
  }, 100);
}
const worker = world.instance();

describe("a job that a deployment always refuses, asking for 20 s", () => {
  it("waits by itself, longer each time, and keeps no other job from the deployment", {
    tags: ["long"],
    timeout: 60_000,
  }, async () => {
    const poison = "always refused";
    labs.reply("openai-one", (call) =>
      call.body.includes(poison)
        ? answer(429, { error: { message: "too many" } }, { "retry-after": "20" })(call)
        : answer(200, completion("Hello"))(call),
    );
    world.catalogue = labs.catalogue({ name: "openai-one", limits: { requests_per_minute: 600 } });
    const bodyText = `{"model":"openai-one-model","messages":[{"role":"user","content":"${poison}"}]}`;
    const deadlineMs = clock.now() + DAY_MS;
    const refused = await world.accepted({ bodyText, deadlineMs });
    await worker.run(refused);
    const refusals: number[] = [];
    const beganMs = clock.now();
    let others = 0;
    // The same tenant's own jobs, and another's, one a second each.
    while (clock.now() < beganMs + 400_000) {
      const before = labs.calls.length;
      for (const tenantId of ["team-a", "team-b"]) {
        await worker.run(await world.accepted({ tenantId, deadlineMs }));
        others++;
      }
      const toMs = clock.now() + 4_000;
      await until(() => clock.now() >= toMs);
      if (labs.calls.slice(before).some(({ body }) => body.includes(poison)))
        refusals.push(clock.now() - beganMs);
    }
    const gaps = refusals.slice(1).map((atMs, n) => atMs - (refusals[n] ?? 0));
    expect(gaps.at(-1)).toBeGreaterThan(2 * (gaps[0] ?? 0));
    expect(refusals.length).toBeLessThanOrEqual(7);
    const { job, events } = await world.seen(refused);
    expect(job).toMatchObject({ status: "queued", attempts_spent: 0 });
    expect(events).toContain("attempt_failed");
    // All others but those of the first wait have been called by now.
    const called = labs.calls.filter(({ body }) => !body.includes(poison)).length;
    expect(called).toBeGreaterThan(others - 5);
  });
});
