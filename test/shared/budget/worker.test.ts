import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { CosmosBudgetLedger, CosmosOverBudgetJobs } from "../../../shared/azure/cosmos/budgets.ts";
import { Budgets } from "../../../shared/budget/budgets.ts";
import type { BudgetLedger } from "../../../shared/budget/ports.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { claimRecords } from "../../../shared/job/run/claim-finding.ts";
import { runJob } from "../../../shared/job/run/run.ts";
import type { RunDeps } from "../../../shared/job/run/run-deps.ts";
import { ChangedBudgets } from "../../../shared/job/sweep/changed-budgets.ts";
import type { JobKey } from "../../../shared/store.ts";
import { parseTenants, type Tenants } from "../../../shared/tenant/tenants.ts";
import { submission } from "../job/samples.ts";
import {
  answer,
  completion,
  Labs,
  NudgeList,
  openStore,
  silent,
  sweeperOn,
  TestClock,
  workerOn,
} from "../world.ts";

/**
 * Two instances on one store, a clock turned by hand. A call costs 0.00002 USD (10 tokens in, 5 out), and may cost
 * 0.002 by its estimate: far more than the budgets here, so that one call at a time is let go.
 */
const DAY_MS = 86_400_000;
const labs = new Labs();
let clock: TestClock;
let opened: Awaited<ReturnType<typeof openStore>>;
let ledger: BudgetLedger;
let tenants: Tenants;
let nudges: NudgeList;
let count = 0;
let one: Instance;
let two: Instance;

interface Instance {
  readonly worker: RunDeps;
  readonly budgets: Budgets;
}

const tenantsWith = (budget: object | undefined) => {
  const parsed = parseTenants({ tenants: [{ id: "team-a", budget }, { id: "team-b" }] }, { local: true });
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.tenants;
};

function instance(): Instance {
  const { store } = opened;
  const make = { store, clock, nudges, catalogue: labs.catalogue("openai-one", "xai-two") };
  const current = () => tenants;
  const budgets = new Budgets({
    ...{ claims: claimRecords(store), clock, ledger, log: silent, tenants: current },
    wake: (key) => nudges.send({ v: 1, ...key }),
    random: () => 0.5,
  });
  return { budgets, worker: workerOn(make, { budgets, tenants: current, maxAttempts: 5 }) };
}

beforeAll(() => labs.start());
afterAll(async () => {
  await labs.stop();
  await opened.close();
});
beforeEach(async () => {
  await opened?.close();
  clock = new TestClock(Date.UTC(2027, 0, 15, 23, 58));
  opened = await openStore(clock);
  ledger = new CosmosBudgetLedger(opened.items.control);
  nudges = new NudgeList();
  tenants = tenantsWith({ currency: "USD", per_day: "0.00005" });
  labs.calls.length = 0;
  for (const name of ["openai-one", "xai-two"]) labs.reply(name, answer(200, completion("Hello")));
  [one, two] = [instance(), instance()];
});

async function accepted(tenantId = "team-a", model = "openai-one-model"): Promise<Nudge> {
  const jobId = `job_${String(count++).padStart(32, "0")}`;
  const by = { tenantId, jobId, actor: "a", nowMs: clock.now(), nudgeGraceMs: 10_000 };
  const job = { ...submission, model, deadlineMs: clock.now() + 3 * DAY_MS };
  await opened.store.create(acceptJob(job, by), clock.now());
  return { v: 1, tenant_id: tenantId, job_id: jobId };
}
const jobOf = async (key: JobKey) => {
  const job = (await opened.store.read(key))?.value;
  if (job === undefined) throw new Error("the job is gone");
  return job;
};
const eventsOf = async (key: JobKey) => (await opened.store.audit(key)).map(({ event }) => event);
const accountOf = async () => {
  const account = await two.budgets.account("team-a");
  return { spent: account?.spent, open: account?.reservations.map(({ amount }) => amount) };
};
/** Turns the clock a little at a time, letting sockets answer in between. */
async function turnUntil(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 3_000; turns++) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
    clock.advance(10);
  }
  throw new Error("it never came to pass");
}
const sweep = async (budgets = one.budgets) => {
  await sweeperOn(opened, { nudges, clock }).sweep(silent);
  await budgets.tend();
};

it("lets jobs go while money is left, then holds them until the next day, with the reason in the trail", async () => {
  const jobs = [await accepted(), await accepted(), await accepted(), await accepted()];
  for (const job of jobs) await runJob(one.worker, job);
  expect(await Promise.all(jobs.map(async (job) => (await jobOf(job)).status))).toEqual([
    ...Array(3).fill("completed"),
    "queued",
  ]);
  expect(await accountOf()).toEqual({ spent: "0.00006", open: [] });
  const [, , , last] = jobs;
  if (last === undefined) throw new Error("no job");
  const midnight = Math.ceil(clock.now() / DAY_MS) * DAY_MS;
  expect(await jobOf(last)).toMatchObject({
    wake_at_ms: midnight,
    held: { cause: "over_budget", until_ms: midnight },
  });
  const trail = await opened.store.audit(last);
  expect(trail.at(-1)).toMatchObject({
    event: "waiting",
    reason: "over_budget: 0.00006 of 0.00005 USD spent on 2027-01-15",
  });
  // Looked at again, here or elsewhere, it writes nothing.
  await runJob(one.worker, last);
  await runJob(two.worker, last);
  expect(await eventsOf(last)).toEqual(["accepted", "waiting"]);

  clock.advance(midnight - clock.now());
  await sweep();
  expect(nudges.sent.map(({ nudge }) => nudge.job_id)).toEqual([last.job_id]);
  await runJob(two.worker, last);
  expect((await jobOf(last)).status).toBe("completed");
  expect((await two.budgets.account("team-a"))?.days).toEqual({
    "2027-01-15": "0.00006",
    "2027-01-16": "0.00002",
  });
});

it("costs a tenant without a budget nothing", async () => {
  const never = () => Promise.reject(new Error("the ledger was asked"));
  ledger = { read: never, write: never, due: never };
  const { worker, budgets } = instance();
  const job = await accepted("team-b");
  await runJob(worker, job);
  expect((await jobOf(job)).status).toBe("completed");
  expect(await jobOf(job)).not.toHaveProperty("budget_claims");
  expect(await budgets.refusal("team-b", null)).toBeUndefined();
});

it("is not overspent by a race of two instances, and lets those that wait go as calls end", async () => {
  tenants = tenantsWith({ currency: "USD", per_day: "0.0001" });
  const jobs = await Promise.all(Array.from({ length: 8 }, () => accepted()));
  const running = new Set<Promise<void>>();
  const run = (nudge: Nudge, { worker }: Instance) => {
    const run = runJob(worker, nudge).finally(() => running.delete(run));
    running.add(run);
  };
  for (const [at, job] of jobs.entries()) run(job, at % 2 === 0 ? one : two);
  let at = 0;
  await turnUntil(async () => {
    for (const { nudge } of nudges.sent.splice(0)) run(nudge, at++ % 2 === 0 ? one : two);
    if (running.size > 0) return false;
    const held = (await Promise.all(jobs.map(jobOf))).filter((job) => job.held?.until_ms !== undefined);
    return held.length === 3;
  });
  expect(labs.calls).toHaveLength(5);
  expect(await accountOf()).toEqual({ spent: "0.0001", open: [] });
});

it("frees what a worker that died had put aside, and counts the cost of one that only seemed to", async () => {
  tenants = tenantsWith({ currency: "USD", per_day: "0.0001" });
  let reply = () => {};
  labs.reply(
    "openai-one",
    (call) => {
      reply = () => answer(200, completion("late"))(call);
    },
    answer(200, completion("Hello")),
  );
  const job = await accepted();
  // No timers: it renews no lease, as a frozen process.
  const still = { now: () => clock.now(), monotonic: () => clock.now(), after: () => () => undefined };
  const called = labs.nextCall();
  const frozen = runJob({ ...one.worker, clock: still }, job);
  await called;
  expect((await accountOf()).open).toHaveLength(1);
  const { lease } = await jobOf(job);
  const dead_lease = { claim_id: lease?.claim_id ?? "", renewals: lease?.renewals ?? 0 };
  // What the lost attempt may have cost stands in the way of the next one, until it is stored that it is lost.
  await runJob(two.worker, { ...job, dead_lease });
  await turnUntil(() => nudges.sent.length > 0);
  for (const { nudge } of nudges.sent) await runJob(two.worker, nudge);
  expect(await eventsOf(job)).toEqual([
    ...["accepted", "attempt_started", "attempt_lost", "waiting", "attempt_started", "completed"],
  ]);
  // Remembered, at nothing.
  expect(await accountOf()).toEqual({ spent: "0.00002", open: ["0"] });
  reply();
  let thawed = false;
  void frozen.then(() => {
    thawed = true;
  });
  await turnUntil(() => thawed);
  expect((await eventsOf(job)).at(-1)).toBe("attempt_superseded");
  expect(await accountOf()).toEqual({ spent: "0.00004", open: [] });
});

it("finds in the job's own record what nobody settled", async () => {
  const job = await accepted();
  const mute = { ...one.worker, budgets: { ...deaf(one.budgets) } };
  await runJob(mute, job);
  expect((await accountOf()).open).toHaveLength(1);
  const never = await accepted();
  await two.budgets.reserve("team-a", {
    ...{ job_id: never.job_id, attempt: 1, claim_id: "never made", amount: "0.00001" },
  });
  clock.advance(61_000);
  await sweep(two.budgets);
  expect(await accountOf()).toEqual({ spent: "0.00002", open: [] });
});

/** One whose worker dies before it can tell what the call cost. */
function deaf(budgets: Budgets): RunDeps["budgets"] & object {
  return {
    budgetOf: (id) => budgets.budgetOf(id),
    knownOver: (id) => budgets.knownOver(id),
    reserve: (id, ask) => budgets.reserve(id, ask),
    refusal: (id, ms) => budgets.refusal(id, ms),
    settle: () => Promise.resolve(),
    lost: () => Promise.resolve(),
    leave: () => undefined,
    waits: () => undefined,
  };
}

it("puts money aside for each attempt of a job that fails over, and counts what was paid", async () => {
  labs.reply("openai-one", answer(503, { error: { message: "down" } }));
  const job = await accepted("team-a", "both");
  await runJob(one.worker, job);
  expect(await eventsOf(job)).toEqual([
    ...["accepted", "attempt_started", "attempt_failed", "attempt_started", "completed"],
  ]);
  expect(Object.keys((await jobOf(job)).budget_claims ?? {})).toEqual(["1", "2"]);
  expect(await accountOf()).toEqual({ spent: "0.00002", open: [] });
});

it("nudges jobs that wait for a budget once it is another", async () => {
  tenants = tenantsWith({ currency: "USD", per_month: "0" });
  const job = await accepted();
  await runJob(one.worker, job);
  expect((await jobOf(job)).held?.until_ms).toBe(Date.UTC(2027, 1, 1));
  const { store } = opened;
  const overBudget = new CosmosOverBudgetJobs(opened.items.jobs);
  const current = () => tenants;
  const changed = new ChangedBudgets({ store, overBudget, nudges, clock, tenants: current, nudgeGraceMs: 1 });
  expect(await changed.release(silent)).toBe(0);
  tenants = tenantsWith({ currency: "USD", per_month: "1" });
  expect(await changed.release(silent)).toBe(1);
  expect(await changed.release(silent)).toBe(0);
  for (const { nudge } of nudges.sent) await runJob(one.worker, nudge);
  expect((await jobOf(job)).status).toBe("completed");
});

it("passes over deployments with prices in another currency, and says so", async () => {
  tenants = tenantsWith({ currency: "EUR", per_day: "1" });
  const job = await accepted();
  await runJob(one.worker, job);
  expect(await jobOf(job)).toMatchObject({ status: "failed", error: { code: "model_withdrawn" } });
  expect((await jobOf(job)).error?.message).toContain("price in USD, budget in EUR");
});
