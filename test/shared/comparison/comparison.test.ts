import { afterAll, beforeEach, expect, it } from "vitest";
import { type Compare, compare } from "../../../shared/comparison/compare.ts";
import { type Comparison, costOf, countsOf, memberKey } from "../../../shared/comparison/comparison.ts";
import { cancelComparison, eraseComparison } from "../../../shared/comparison/turn.ts";
import { isEnded, type Job } from "../../../shared/job/job.ts";
import type { DeliveryNudge } from "../../../shared/webhook/ports.ts";
import { answer, completion } from "../labs.ts";
import { silent, tenantsWith, World } from "../world.ts";

const world = await World.open();
afterAll(() => world.close());
const one = world.instance();
const comparing = { ...one.service.comparing, intake: { ...one.service.comparing.intake, log: silent } };
const tenant = world.tenants.get("team-a");
if (tenant === undefined) throw new Error("the tenant is gone");
const by = { tenant, actor: "team-a/key:1" };
const models = ["openai-one-model", "xai-two-model"];
const body = { messages: [{ role: "user", content: "Hi" }] };
const asked: Compare = {
  ...{ endpoint: "/v1/chat/completions", models, priority: "standard", metadata: { a: "b" } },
  ...{ body, bodyText: '{"n":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}' },
  ...{ envelopeSha256: "e", idempotencyKey: null, deadlineMs: null, refusal: undefined },
};

beforeEach(() => {
  world.labs.calls.length = 0;
  world.nudges.sent.length = 0;
  world.deliveries.sent.length = 0;
  world.labs.reply("openai-one", answer(200, completion("One.")));
  world.labs.reply("xai-two", answer(400, { error: { message: "No." } }));
});

const run = async (instance = one) => {
  for (const nudge of world.nudges.take(world.clock.now())) await instance.run(nudge);
  await world.settled();
};
const turns = async (): Promise<DeliveryNudge[]> => {
  const due = world.deliveries.take(world.clock.now());
  for (const nudge of due) await one.deliver(nudge);
  return due;
};
const stored = async (key: Comparison) => {
  const found = await world.ports.comparisons.read(key);
  if (found === undefined) throw new Error("the comparison is gone");
  return found.value;
};
const jobs = (of: Comparison): Promise<Job[]> =>
  Promise.all(of.models.map((model) => world.job(memberKey(of, model))));

it("sends one body to each model, and ends by its own turn once all its jobs have", async () => {
  const { value } = await compare(comparing, asked, by);
  await run();
  expect(world.labs.calls.map(({ body: sent }) => sent).sort()).toEqual(
    models.map((model) => asked.bodyText.replace("{", `{"model":"${model}",`)).sort(),
  );
  // Each job's end gives it a turn; no job of it is told of by itself.
  expect(await turns()).toMatchObject([{ job_id: value.job_id }, { job_id: value.job_id }]);
  const ended = await stored(value);
  expect(ended.end).toEqual({
    ...{ at_ms: world.clock.now(), completed: 1, failed: 1 },
    cost: { amount: "0.00002", currency: "USD" },
  });
  expect(ended).not.toHaveProperty("wake_at_ms");
  expect((await jobs(value)).map(({ status }) => status)).toEqual(["completed", "failed"]);
});

it("says of each model that cannot serve the body that it cannot, and makes nothing", async () => {
  const before = (await world.ports.comparisons.list("team-a", { limit: 99 })).comparisons.length;
  const request = compare(comparing, { ...asked, models: ["nowhere", ...models, "nobody"] }, by);
  await expect(request).rejects.toMatchObject({
    code: "invalid_request",
    faults: [
      { path: "/models/0", message: "There is no model nowhere." },
      { path: "/models/3", message: "There is no model nobody." },
    ],
  });
  expect((await world.ports.comparisons.list("team-a", { limit: 99 })).comparisons.length).toBe(before);
  expect(world.nudges.sent).toEqual([]);
});

it("meets itself under its idempotency key, and refuses another under it", async () => {
  const keyed = { ...asked, idempotencyKey: "k" };
  const first = await compare(comparing, keyed, by);
  await run();
  expect((await compare(comparing, keyed, by)).value.job_id).toBe(first.value.job_id);
  await run();
  expect(world.labs.calls).toHaveLength(2);
  await expect(compare(comparing, { ...keyed, envelopeSha256: "other" }, by)).rejects.toMatchObject({
    code: "idempotency_key_reused",
  });
});

it("is made whole by its own turn where its submit dies in the middle", async () => {
  let dies = true;
  const store = {
    ...comparing.intake.store,
    create: (...args: Parameters<typeof comparing.intake.store.create>) => {
      if (dies) throw new Error("the process is gone");
      return comparing.intake.store.create(...args);
    },
  };
  const dying = { ...comparing, intake: { ...comparing.intake, store } };
  await expect(compare(dying, { ...asked, idempotencyKey: "dies" }, by)).rejects.toThrow("gone");
  dies = false;
  const [left] = (await world.ports.comparisons.list("team-a", { limit: 1 })).comparisons;
  if (left === undefined) throw new Error("nothing is left of it");
  // Nobody sends a message, and no job of it is there: the sweeper finds it.
  world.clock.advance(61_000);
  await one.sweep();
  expect(world.deliveries.sent.map(({ nudge }) => nudge.job_id)).toContain(left.job_id);
  await turns();
  await run();
  await turns();
  expect((await stored(left)).end).toMatchObject({ completed: 1, failed: 1 });
});

it("is cancelled as one, also where the one that cancels dies", async () => {
  const { value } = await compare(comparing, asked, by);
  const ending = {
    ...comparing.ending,
    store: { ...comparing.ending.store, read: () => Promise.reject(new Error("the process is gone")) },
  };
  await expect(cancelComparison({ ...comparing, ending }, value, "owner")).rejects.toThrow("gone");
  expect((await jobs(value)).every((job) => !isEnded(job))).toBe(true);
  world.clock.advance(61_000);
  await one.sweep();
  await turns();
  expect((await jobs(value)).map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  expect((await stored(value)).end).toMatchObject({ completed: 0, failed: 2, cost: null });
  expect((await cancelComparison(comparing, value, "owner")).value.job_id).toBe(value.job_id);
});

it("is erased once it has ended, with the content of its jobs", async () => {
  const { value } = await compare(comparing, asked, by);
  await expect(eraseComparison(comparing, value, "owner")).rejects.toMatchObject({
    code: "comparison_not_ended",
  });
  await run();
  await eraseComparison(comparing, value, "owner");
  await eraseComparison(comparing, value, "owner");
  expect(await stored(value)).toMatchObject({ metadata: {}, erased_by: "owner", end: { completed: 1 } });
  expect(await world.ports.comparisons.readRequest(value)).toBeUndefined();
  for (const job of await jobs(value)) expect(job).toMatchObject({ content_deleted: true, metadata: {} });
  await expect(cancelComparison(comparing, value, "owner")).rejects.toMatchObject({
    code: "comparison_ended",
  });
});

it("lists the newest first, page by page", async () => {
  const made = [];
  for (let n = 0; n < 3; n++) {
    world.clock.advance(1);
    made.unshift((await compare(comparing, asked, by)).value);
  }
  const first = await world.ports.comparisons.list("team-a", { limit: 2 });
  expect(first.comparisons.map(({ job_id }) => job_id)).toEqual(made.slice(0, 2).map(({ job_id }) => job_id));
  expect(first.hasMore).toBe(true);
  const second = await world.ports.comparisons.list("team-a", { limit: 1, after: made[1] });
  expect(second.comparisons.map(({ job_id }) => job_id)).toEqual([made[2]?.job_id]);
  expect((await world.ports.comparisons.list("team-b", { limit: 9 })).comparisons).toEqual([]);
});

it("has no cost of several currencies, and counts what has ended", () => {
  const job = (status: string, currency: string) => ({ status, cost: { amount: "1.5", currency } }) as Job;
  expect(costOf([job("completed", "USD"), undefined, job("failed", "USD")])).toEqual({
    ...{ amount: "3", currency: "USD" },
  });
  expect(costOf([job("completed", "USD"), job("completed", "EUR")])).toBeNull();
  expect(countsOf([job("completed", "USD"), job("queued", "USD"), job("expired", "USD"), undefined])).toEqual(
    {
      ...{ completed: 1, failed: 1 },
    },
  );
});

it("is refused where its tenant has no money", async () => {
  world.tenants = tenantsWith({ currency: "USD", per_day: "0", over: "refuse" });
  const [before] = (await world.ports.comparisons.list("team-a", { limit: 1 })).comparisons;
  await expect(compare(comparing, asked, by)).rejects.toMatchObject({ code: "budget_exceeded" });
  const [after] = (await world.ports.comparisons.list("team-a", { limit: 1 })).comparisons;
  expect(after?.job_id).toBe(before?.job_id);
  world.tenants = tenantsWith();
});
