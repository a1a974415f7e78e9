import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { budgetDocument } from "../../../shared/azure/cosmos/documents.ts";
import { documentOf, jobOf } from "../../../shared/azure/cosmos/job-document.ts";
import { jobResource, retryAfterSeconds } from "../../../shared/http/api/job-resource.ts";
import { draftOf, startAttempt } from "../../../shared/job/life-cycle.ts";
import { UnreadableItem } from "../../../shared/store.ts";
import { NOW_MS, newJob } from "../../shared/job/samples.ts";
import { answer, completion } from "../../shared/labs.ts";
import { tenantsWith, World } from "../../shared/world.ts";

/** What somebody who may write the store makes of a figure: that item cannot be read, and stops nothing else. */
const noise = fc.oneof(
  fc.constantFrom(-1, -1e300, 1e300, 8.64e15 + 1, 2 ** 53, 0.5, "1", null, true, {}, []),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const running = startAttempt(draftOf(newJob({ maxCost: "1" })), {
  ...{ claimId: "c", deployment: { name: "d", provider: "openai", simulated: true } },
  ...{ requestSha256: "r", leaseSeconds: 20, reason: null, nowMs: NOW_MS, actor: "w" },
}).job;
const documents = [newJob(), running].map((job) => JSON.parse(JSON.stringify(documentOf(job))));
const figures = (document: object) =>
  Object.entries(document).flatMap(([name, value]) =>
    typeof value === "number" && name !== "v" ? [name] : [],
  );

describe("a job", () => {
  it("is shown, or cannot be read, whatever its figures are", () => {
    const change = fc
      .constantFrom(...documents)
      .chain((document) =>
        fc.tuple(fc.constant(document), fc.constantFrom(...figures(document), "max_cost"), noise),
      );
    fc.assert(
      fc.property(change, ([document, name, value]) => {
        try {
          const job = jobOf({ ...document, [name]: value });
          const shown = jobResource(job, NOW_MS);
          for (const at of [shown.created_at, shown.deadline, retryAfterSeconds(job, NOW_MS)])
            expect(Number.isSafeInteger(at)).toBe(true);
          expect(() => new Date(job.created_at_ms).toISOString()).not.toThrow();
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(UnreadableItem);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("an account", () => {
  const reservation = {
    ...{ job_id: "j", attempt: 1, claim_id: "c", day: "2027-01-15", amount: "1" },
    ...{ since_ms: NOW_MS, look_at_ms: NOW_MS },
  };
  const item = (change: object, account: object = {}) => ({
    ...{ id: "2027-01-USD", kind: "budget", v: 1, scope: "budget:t", tenant_id: "t", month: "2027-01" },
    ...{ currency: "USD" },
    account: {
      ...{ month: "2027-01", currency: "USD", spent: "1", days: {} },
      reservations: [{ ...reservation, ...change }],
      ...account,
    },
  });
  it.each([
    [{ amount: "-5" }, {}],
    [{ amount: "1e9" }, {}],
    [{ look_at_ms: 1e300 }, {}],
    [{ since_ms: -1 }, {}],
    [{ was: "-1" }, {}],
    [{}, { spent: "-1" }],
    [{}, { days: { "2027-01-15": "NaN" } }],
    [{}, { usual: { d: { answers: 3, tokens: 1e300 } } }],
  ])("with %j or %j is none", (change, account) => {
    expect(budgetDocument.safeParse(item({})).success).toBe(true);
    expect(budgetDocument.safeParse(item(change, account)).success).toBe(false);
  });
});

describe("beside one that cannot be read", () => {
  let world: World | undefined;
  afterAll(() => world?.close());
  it("a tenant's other jobs and other tenants go on", async () => {
    world = await World.open();
    world.tenants = tenantsWith();
    world.labs.reply("openai-one", answer(200, completion("Hello")));
    const one = world.instance();
    const [broken, good] = [await world.accepted(), await world.accepted()];
    const { container } = world.items.jobs;
    const key = [broken.tenant_id, broken.job_id];
    await container.item("job", key).patch([{ op: "replace", path: "/created_at_ms", value: 1e300 }]);
    await one.run(broken);
    await one.run(good);
    expect((await world.job(good)).status).toBe("completed");
    await expect(world.job(broken)).rejects.toBeInstanceOf(UnreadableItem);
    const listed = await world.ports.store.list("team-a", { limit: 10 });
    expect(listed.jobs.map(({ job_id }) => job_id)).toEqual([good.job_id]);
  });
});
