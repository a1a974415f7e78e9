import { afterAll, describe, expect, it } from "vitest";
import type { Nudge } from "../../../../shared/job/ports.ts";
import type { JobKey } from "../../../../shared/store.ts";
import { answer, completion } from "../../labs.ts";
import { type Instance, World } from "../../world.ts";

/** Whose failure it is, where each of an instance's calls is all that it sees: others are served elsewhere. */
const world = await World.open({ settings: { maxAttempts: 3, maxDeadlineSeconds: 86_400 } });
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;
const text = (content: string) =>
  JSON.stringify({ model: "openai-one-model", messages: [{ role: "user", content }] });
const ofDay = () => ({ deadlineMs: clock.now() + 86_400_000 });

labs.reply("openai-one", (call) =>
  call.body.includes("poison")
    ? answer(500, { error: { message: "segfault" } })(call)
    : answer(200, completion("fine"))(call),
);

/** Lets the job have its turns on one instance; `meanwhile` happens every few seconds. */
async function turned(
  poisoned: Instance,
  key: Nudge,
  meanwhile: () => Promise<unknown>,
  done: () => Promise<boolean>,
): Promise<void> {
  await poisoned.run(key);
  await world.turnUntil(async () => {
    await meanwhile();
    for (const list of [nudges, releases])
      for (const nudge of list.take(clock.now())) await world.turning(poisoned.run(nudge));
    return done();
  }, 2_000);
}
const isEnded = async (key: JobKey) => (await world.job(key)).status === "failed";

describe("a job whose every call breaks the server", () => {
  it("ends after its attempts though its instance sees no other call: others are served by another", async () => {
    const [poisoned, other] = [world.instance("a"), world.instance("b")];
    const poison = await world.accepted({ ...ofDay(), bodyText: text("poison") });
    const served = async () => world.turning(other.run(await world.accepted({ bodyText: text("good") })));
    await turned(poisoned, poison, served, () => isEnded(poison));
    expect((await world.seen(poison)).job).toMatchObject({
      ...{ status: "failed", attempts_spent: 3, error: { code: "attempts_exhausted" } },
    });
  });

  it("waits while nobody is served, or nobody can tell, and spends no attempt", async () => {
    const blind = world.instance("c", {
      jobsInLine: Object.assign(Object.create(world.ports.jobsInLine), {
        latelyServed: () => Promise.reject(new Error("the store is away")),
      }),
    });
    const other = world.instance("d");
    for (const [instance, isServed] of [
      [world.instance("e"), false],
      [blind, true],
    ] as const) {
      const poison = await world.accepted({ ...ofDay(), bodyText: text("poison") });
      const served = async () =>
        isServed && world.turning(other.run(await world.accepted({ bodyText: text("good") })));
      const untilMs = clock.now() + 60_000;
      await turned(instance, poison, served, async () => clock.now() >= untilMs);
      expect(await world.job(poison)).toMatchObject({ status: "queued", attempts_spent: 0 });
      expect((await world.job(poison)).attempts).toBeGreaterThan(4);
    }
  });
});
