import { afterEach, beforeEach, expect, it } from "vitest";
import { answer, completion } from "../../shared/labs.ts";
import { type Instance, World } from "../../shared/world.ts";

/** A lab says once what cannot be of its quota, and then nothing of it any more. */
let world: World;
let worker: Instance;
beforeEach(async () => {
  world = await World.open();
  worker = world.instance();
});
afterEach(() => world.close());

const LIMITS = { requests_per_minute: 600, tokens_per_minute: 60_000 };
const bodyText = '{"model":"openai-one-model","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]}';
const FULL = { "x-ratelimit-limit-tokens": "60000", "x-ratelimit-limit-requests": "600" };

it.each([
  {
    told: "a debt of years",
    status: 200,
    limits: LIMITS,
    headers: { "x-ratelimit-remaining-tokens": "-99999999999" },
  },
  {
    told: "a debt of years, with its limits",
    status: 200,
    limits: LIMITS,
    headers: { ...FULL, "x-ratelimit-remaining-tokens": "-99999999999" },
  },
  {
    told: "a limit of nothing, where there is none",
    status: 429,
    limits: {},
    headers: { "x-ratelimit-limit-requests": "0.0000001", "x-ratelimit-remaining-requests": "0" },
  },
  {
    told: "400 digits",
    status: 200,
    limits: LIMITS,
    headers: { ...FULL, "x-ratelimit-remaining-tokens": `-${"9".repeat(400)}` },
  },
  {
    told: "a reset in 270,000 years",
    status: 429,
    limits: LIMITS,
    headers: { ...FULL, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "99999999d" },
  },
])(
  "$told does not close a deployment for longer than ten minutes",
  async ({ status, limits, headers }) => {
    world.catalogue = world.labs.catalogue({ name: "openai-one", limits });
    world.labs.reply(
      "openai-one",
      answer(status, status === 200 ? completion("Hi") : { error: { message: "too many" } }, headers),
      answer(200, completion("Hello")),
    );
    await world.turning(worker.run(await world.accepted({ bodyText })));
    const beganMs = world.clock.now();
    const keys = [await world.accepted({ bodyText }), await world.accepted({ tenantId: "team-b", bodyText })];
    for (const key of keys) await world.turning(worker.run(key));
    await world.turnUntil(async () => {
      for (const list of [world.nudges, world.releases])
        for (const nudge of list.take(world.clock.now())) await world.turning(worker.run(nudge));
      const jobs = await Promise.all(keys.map((key) => world.job(key)));
      return jobs.every((job) => job.status === "completed");
    }, 1_000);
    expect(world.clock.now() - beganMs).toBeLessThan(610_000);
  },
  60_000,
);
