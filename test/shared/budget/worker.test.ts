import { afterEach, beforeEach, expect, it } from "vitest";
import type { Nudge } from "../../../shared/job/ports.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { inState } from "../job/samples.ts";
import { answer, completion } from "../labs.ts";
import { type Instance, tenantsWith, World } from "../world.ts";

/**
 * Two instances on one store, a clock turned by hand. A call costs 0.00002 USD (10 tokens in, 5 out), and may cost
 * 33 (128 answers of any length): far more than most budgets here, so that one call at a time is let go.
 */
const DAY_MS = 86_400_000;
let world: World;
let one: Instance;
let two: Instance;

beforeEach(async () => {
  world = await World.open({ startMs: Date.UTC(2027, 0, 15, 23, 58), settings: { maxAttempts: 5 } });
  world.tenants = tenantsWith({ currency: "USD", per_day: "0.00005" });
  for (const name of ["openai-one", "xai-two"]) world.labs.reply(name, answer(200, completion("Hello")));
  [one, two] = [world.instance("one"), world.instance("two")];
});
afterEach(() => world.close());

const accepted = (tenantId = "team-a", model = "openai-one-model") =>
  world.accepted({ tenantId, model, deadlineMs: world.clock.now() + 3 * DAY_MS });
const accountOf = async () => {
  const account = await two.service.budgets.account("team-a");
  return { spent: account?.spent, open: account?.reservations.map(({ amount }) => amount) };
};

it("lets jobs go while money is left, then holds them until the next day, with the reason in the trail", async () => {
  const jobs = [await accepted(), await accepted(), await accepted(), await accepted()];
  for (const job of jobs) await one.run(job);
  expect(await Promise.all(jobs.map(async (job) => (await world.job(job)).status))).toEqual([
    ...Array(3).fill("completed"),
    "queued",
  ]);
  expect(await accountOf()).toEqual({ spent: "0.00006", open: [] });
  const [, , , last] = jobs;
  if (last === undefined) throw new Error("no job");
  const midnight = Math.ceil(world.clock.now() / DAY_MS) * DAY_MS;
  expect(await world.job(last)).toMatchObject({
    wake_at_ms: midnight,
    waiting: { for: "budget", until_ms: midnight },
  });
  const { trail } = await world.seen(last);
  expect(trail.at(-1)).toMatchObject({
    event: "waiting",
    reason: "over_budget: 0.00006 of 0.00005 USD spent on 2027-01-15",
  });
  // Looked at again, here or elsewhere, it writes nothing.
  await one.run(last);
  await two.run(last);
  expect(await world.eventsOf(last)).toEqual(["accepted", "waiting"]);

  world.clock.advance(midnight - world.clock.now());
  await one.sweep();
  expect(world.nudges.sent.map(({ nudge }) => nudge.job_id)).toEqual([last.job_id]);
  await two.run(last);
  expect((await world.job(last)).status).toBe("completed");
  expect((await two.service.budgets.account("team-a"))?.days).toEqual({
    "2027-01-15": "0.00006",
    "2027-01-16": "0.00002",
  });
});

it("costs a tenant without a budget nothing", async () => {
  const never = () => Promise.reject(new Error("the ledger was asked"));
  const alone = world.instance("alone", { budgetLedger: { read: never, write: never, due: never } });
  const job = await accepted("team-b");
  await alone.run(job);
  expect((await world.job(job)).status).toBe("completed");
  expect(await world.job(job)).not.toHaveProperty("budget_claims");
  expect(await alone.service.budgets.refusal("team-b", null)).toBeUndefined();
});

it("is not overspent by a race of two instances, and lets those that wait go as calls end", async () => {
  world.tenants = tenantsWith({ currency: "USD", per_day: "0.0001" });
  const jobs = await Promise.all(Array.from({ length: 8 }, () => accepted()));
  const running = new Set<Promise<void>>();
  const run = (nudge: Nudge, on: Instance) => {
    const run = on.run(nudge).finally(() => running.delete(run));
    running.add(run);
  };
  for (const [at, job] of jobs.entries()) run(job, at % 2 === 0 ? one : two);
  let at = 0;
  await world.turnUntil(async () => {
    for (const nudge of world.nudges.take(world.clock.now())) run(nudge, at++ % 2 === 0 ? one : two);
    if (running.size > 0) return false;
    const seen = await Promise.all(jobs.map((job) => world.job(job)));
    const waits = seen.map((job) => (job.status === "queued" ? job.waiting : null));
    return waits.filter((wait) => wait?.for === "budget" && wait.until_ms !== null).length === 3;
  });
  expect(world.labs.calls).toHaveLength(5);
  expect(await accountOf()).toEqual({ spent: "0.0001", open: [] });
});

it("takes what a worker that died had put aside for spent, until one that only seemed to tells the cost", async () => {
  world.tenants = tenantsWith({ currency: "USD", per_day: "100" });
  let reply = () => {};
  world.labs.reply(
    "openai-one",
    (call) => {
      reply = () => answer(200, completion("late"))(call);
    },
    answer(200, completion("Hello")),
  );
  const job = await accepted();
  const called = world.labs.nextCall();
  const frozen = world.frozen();
  const late = frozen.run(job);
  await called;
  expect((await accountOf()).open).toHaveLength(1);
  const { claim_id, renewals } = inState(await world.job(job), "in_progress").lease;
  const dead_lease = { claim_id, renewals };
  await two.run({ ...job, dead_lease });
  expect(await world.eventsOf(job)).toEqual([
    ...["accepted", "attempt_started", "attempt_lost", "attempt_started", "completed"],
  ]);
  const { trail } = await world.seen(job);
  const lost = trail[2]?.estimate?.amount ?? "";
  expect(Number(lost)).toBeGreaterThan(33);
  expect(await accountOf()).toEqual({ spent: String(Number(lost) + 0.00002), open: ["0"] });
  reply();
  let thawed = false;
  void late.then(() => {
    thawed = true;
  });
  await world.turnUntil(() => {
    frozen.clock.advance(25);
    return thawed;
  });
  expect((await world.eventsOf(job)).at(-1)).toBe("attempt_superseded");
  expect(await accountOf()).toEqual({ spent: "0.00004", open: [] });
});

it("finds in the job's own record what nobody settled", async () => {
  const job = await accepted();
  // Its worker dies before it can tell what the call cost: the ledger does not take the second write.
  const { budgetLedger } = world.ports;
  let writes = 0;
  const dying = world.instance("dying", {
    budgetLedger: {
      read: (key) => budgetLedger.read(key),
      due: (...args) => budgetLedger.due(...args),
      write: (...args) =>
        writes++ === 0 ? budgetLedger.write(...args) : Promise.reject(new StoreUnavailable("away")),
    },
  });
  await world.turning(dying.run(job));
  expect((await accountOf()).open).toHaveLength(1);
  const never = await accepted();
  await two.service.budgets.reserve("team-a", {
    ...{ job_id: never.job_id, attempt: 1, claim_id: "never made", amount: "0.00001" },
  });
  world.clock.advance(61_000);
  await two.sweep();
  expect(await accountOf()).toEqual({ spent: "0.00002", open: [] });
});

it("puts money aside for each attempt of a job that fails over, and counts what was paid", async () => {
  world.labs.reply("openai-one", answer(503, { error: { message: "down" } }));
  const job = await accepted("team-a", "both");
  await one.run(job);
  expect(await world.eventsOf(job)).toEqual([
    ...["accepted", "attempt_started", "attempt_failed", "attempt_started", "completed"],
  ]);
  expect(Object.keys((await world.job(job)).budget_claims ?? {})).toEqual(["1", "2"]);
  expect(await accountOf()).toEqual({ spent: "0.00002", open: [] });
});

it("nudges jobs that wait for a budget once it is another", async () => {
  world.tenants = tenantsWith({ currency: "USD", per_month: "0" });
  const job = await accepted();
  await one.run(job);
  expect(await world.job(job)).toMatchObject({ waiting: { for: "budget", until_ms: Date.UTC(2027, 1, 1) } });
  const { nudges } = world;
  await one.sweep();
  expect(nudges.sent).toEqual([]);
  world.tenants = tenantsWith({ currency: "USD", per_month: "1" });
  await one.sweep();
  await one.sweep();
  expect(nudges.of(job)).toHaveLength(1);
  for (const { nudge } of nudges.sent) await one.run(nudge);
  expect((await world.job(job)).status).toBe("completed");
});

it("passes over deployments with prices in another currency, and says so", async () => {
  world.tenants = tenantsWith({ currency: "EUR", per_day: "100" });
  const job = await accepted();
  await one.run(job);
  expect(await world.job(job)).toMatchObject({ status: "failed", error: { code: "model_withdrawn" } });
  const message = expect.stringContaining("price in USD, budget in EUR");
  expect(await world.job(job)).toMatchObject({ error: { message } });
});
