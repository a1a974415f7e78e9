import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { nudgeOf } from "../../../shared/azure/service-bus/nudges.ts";
import { MAX_TIME_MS } from "../../../shared/bounds.ts";
import { MAX_NUDGE_LOOKS } from "../../../shared/limits.ts";
import { answer, completion } from "../../shared/labs.ts";
import { World } from "../../shared/world.ts";

/** What anybody may send who may send at all: it loops nowhere, and lets no job past the others. */
let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world.close());
beforeEach(() => void world.nudges.sent.splice(0));

const noise = fc.oneof(
  fc.constantFrom(-1e300, 1e300, -1, 0.5, 2 ** 53, 9e15, -3e15, Number.MIN_VALUE, "1", null, true, [], {}),
  fc.double({ noNaN: true }),
  fc.nat(20),
);
const FIGURES = ["tokens", "at_ms", "spent_requests", "spent_tokens", "burst_requests", "burst_tokens"];
const message = fc.record(
  {
    ...{ v: fc.constant(1), tenant_id: fc.constant("team-a"), job_id: fc.constant("job_1"), looks: noise },
    ...{ late: noise, dead_lease: fc.record({ claim_id: fc.constant("c"), renewals: noise }) },
    grant: fc.record({
      deployment: fc.constantFrom("d", "", 1),
      lapses_ms: noise,
      taken: fc.oneof(fc.record(Object.fromEntries(FIGURES.map((name) => [name, noise]))), noise),
    }),
  },
  { requiredKeys: ["v", "tenant_id", "job_id"] },
);

it("no figure of a message is believed beyond its range", () => {
  fc.assert(
    fc.property(message, (body) => {
      const nudge = nudgeOf(body);
      if (nudge === undefined) throw new Error("it is a nudge");
      const { looks = 0, dead_lease, grant, late } = nudge;
      expect(Number.isInteger(looks) && looks >= 0 && looks <= MAX_NUDGE_LOOKS).toBe(true);
      expect(Number.isInteger(dead_lease?.renewals ?? 0)).toBe(true);
      expect(late).toBeUndefined();
      if (grant === undefined) return;
      for (const figure of [grant.lapses_ms, ...Object.values(grant.taken)])
        expect(figure >= 0 && figure <= MAX_TIME_MS).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

it.each([-1e300, -1, 0.5, 1e300, "12"])("looks %s send one message on, later", async (looks) => {
  const nudge = nudgeOf({ v: 1, tenant_id: "team-a", job_id: `job_${"9".repeat(32)}`, looks });
  if (nudge === undefined) throw new Error("no nudge");
  await world.instance().run(nudge);
  expect(world.nudges.sent).toHaveLength(1);
  const [next] = world.nudges.sent;
  expect(next?.nudge.looks).toBe(1);
  expect(next?.atMs).toBeGreaterThanOrEqual(world.clock.now() + 1_000);
});

it.each([
  ["of no figures", { taken: {} }],
  ["that gives back what nobody took", { taken: { tokens: -1e15 } }],
  ["that lapses in an hour", { lapses_ms: 3_600_000 }],
])("a grant %s takes no job past the line", async (_, change) => {
  world.labs.reply("openai-one", answer(200, completion("Hello")));
  const limits = { requests_per_minute: 1 };
  world.catalogue = world.labs.catalogue({ name: "openai-one", limits });
  const one = world.instance();
  const first = await world.accepted();
  const second = await world.accepted();
  await one.run(first);
  await one.run(second);
  const job = await world.job(second);
  expect(job).toMatchObject({ status: "queued", waiting: { for: "quota" } });
  const calls = world.labs.calls.length;
  const nowMs = world.clock.now();
  const taken = { ...Object.fromEntries(FIGURES.map((name) => [name, 1])), at_ms: nowMs };
  const grant = { deployment: "openai-one", taken, lapses_ms: nowMs + 10_000 };
  const made = { ...grant, ...change, ...("lapses_ms" in change ? { lapses_ms: nowMs + 3_600_000 } : {}) };
  const nudge = nudgeOf({ ...second, grant: made });
  if (nudge === undefined) throw new Error("no nudge");
  await one.run(nudge);
  expect(world.labs.calls).toHaveLength(calls);
  expect((await world.job(second)).status).toBe("queued");
});
