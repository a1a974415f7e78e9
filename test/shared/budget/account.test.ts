import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Account,
  correct,
  dueOf,
  found,
  LOOK_AFTER_MS,
  NOTHING_SPENT,
  newAccount,
  overOf,
  REMEMBER_MS,
  reserve,
  settle,
  standingsOf,
} from "../../../shared/budget/account.ts";
import { refusalOf } from "../../../shared/budget/refusal.ts";
import { nextDayMs, nextMonthMs } from "../../../shared/day.ts";
import { decimalOf, unitsOf } from "../../../shared/decimal.ts";
import { type JobRecord, reconcile } from "../../../shared/job/run/claim-finding.ts";
import { type Budget, budgetName, budgetSchema } from "../../../shared/tenant/budget.ts";

const NOW = Date.UTC(2026, 10, 24, 23, 59, 30);
const budget: Budget = { currency: "USD", per_day: "1", per_month: "10", over: "wait" };
const ask = (claim_id: string, amount = "0.4") => ({
  job_id: `job-${claim_id}`,
  attempt: 1,
  claim_id,
  amount,
});
const put = (account: Account, claimId: string, amount = "0.4", nowMs = NOW) => {
  const result = reserve(account, budget, ask(claimId, amount), nowMs);
  if (result.kind === "over") throw new Error(result.over.reason);
  return result.account;
};
const at = (cost: string | null, answerTokens?: number) =>
  answerTokens === undefined ? { cost } : { cost, answerTokens };
const spentOf = (account: Account) => ({ month: account.spent, days: account.days });

describe("a budget in the tenants file", () => {
  const parse = (value: unknown) => budgetSchema.safeParse(value);
  it("takes decimals as text or as numbers, exactly", () => {
    const parsed = parse({ currency: "USD", per_day: "10.00", per_month: 0.1 });
    expect(parsed.data).toEqual({ currency: "USD", per_day: "10", per_month: "0.1", over: "wait" });
    expect(parse({ currency: "USD", per_day: 1e-7 }).data?.per_day).toBe("0.0000001");
  });
  it("refuses what is no amount, no currency, or no limit, and says where", () => {
    const faults = (value: unknown) => parse(value).error?.issues.map((issue) => issue.path.join("/"));
    for (const bad of ["ten", "-1", "1e3", "", "1.", -1, Number.NaN, 1e13, true, null])
      expect([bad, faults({ currency: "USD", per_day: bad })]).toEqual([bad, ["per_day"]]);
    expect(faults({ currency: "usd", per_day: "x", over: "never" })).toEqual(["currency", "per_day", "over"]);
    expect(faults({ currency: "USD" })).toEqual([""]);
  });
  it("has another name when its limits are others, not when it refuses instead of waiting", () => {
    const name = budgetName("t", budget);
    expect(budgetName("t", { ...budget, over: "refuse" })).toBe(name);
    expect(budgetName("t", { ...budget, per_day: "2" })).not.toBe(name);
    expect(budgetName("u", budget)).not.toBe(name);
    expect(budgetName("t", undefined)).not.toBe(name);
  });
  it("knows when the next day and month begin, in UTC", () => {
    expect(nextDayMs(NOW)).toBe(Date.UTC(2026, 10, 25));
    expect(nextMonthMs(Date.UTC(2026, 11, 31, 12))).toBe(Date.UTC(2027, 0, 1));
  });
});

describe("an account", () => {
  it("lets calls go while anything is left, and then says until when none may", () => {
    let account = put(put(put(newAccount("2026-11", "USD"), "a"), "b"), "c");
    const running = overOf(account, budget, NOW);
    expect(running).toMatchObject({ period: "day", untilMs: null });
    expect(running?.reason).toBe(
      "over_budget: 0 spent and 1.2 put aside for running calls of 1 USD on 2026-11-24",
    );
    account = settle(settle(settle(account, "a", at("0.5")), "b", at("0.5")), "c", NOTHING_SPENT);
    expect(overOf(account, budget, NOW)).toEqual({
      period: "day",
      untilMs: Date.UTC(2026, 10, 25),
      reason: "over_budget: 1 of 1 USD spent on 2026-11-24",
    });
    expect(overOf(account, budget, Date.UTC(2026, 10, 25))).toBeUndefined();
    expect(overOf({ ...account, spent: "10" }, budget, NOW)).toMatchObject({
      period: "month",
      untilMs: Date.UTC(2026, 11, 1),
    });
  });
  it("counts what a call cost in the day it was reserved in, once", () => {
    let account = put(newAccount("2026-11", "USD"), "a");
    account = settle(account, "a", at("0.3"));
    expect(settle(account, "a", at("0.3"))).toBe(account);
    account = settle(put(account, "b", "0.4", NOW + 60_000), "b", at("0.02"));
    expect(spentOf(account)).toEqual({ month: "0.32", days: { "2026-11-24": "0.3", "2026-11-25": "0.02" } });
  });
  it("puts aside once for a claim, however often it is asked", () => {
    const account = put(newAccount("2026-11", "USD"), "a");
    expect(put(account, "a")).toBe(account);
  });
  it("remembers what it freed, and takes a late cost", () => {
    const account = put(newAccount("2026-11", "USD"), "a");
    const later = NOW + LOOK_AFTER_MS;
    expect(dueOf(account, later - 1)).toEqual([]);
    expect(dueOf(account, later)).toHaveLength(1);
    const freed = found(account, "a", { kind: "free" }, later);
    expect(standingsOf(freed, budget, NOW).day).toMatchObject({ reserved: 0n, spent: 0n });
    expect(spentOf(settle(freed, "a", at("0.1"))).month).toBe("0.1");
    expect(spentOf(found(freed, "a", { kind: "lost" }, later)).month).toBe("0.4");
    expect(found(freed, "a", { kind: "free" }, NOW + REMEMBER_MS).reservations).toEqual([]);
    expect(found(account, "a", { kind: "keep" }, later).reservations[0]?.look_at_ms).toBe(
      later + LOOK_AFTER_MS,
    );
  });
  it("takes what was put aside for a call for its cost where nobody knows it, until a better figure comes", () => {
    const account = put(newAccount("2026-11", "USD"), "a");
    expect(spentOf(settle(account, "a", at(null)))).toEqual({ month: "0.4", days: { "2026-11-24": "0.4" } });
    const lost = found(account, "a", { kind: "lost" }, NOW);
    expect(standingsOf(lost, budget, NOW).day).toMatchObject({ reserved: 0n, spent: unitsOf("0.4") });
    expect(found(lost, "a", { kind: "lost" }, NOW).spent).toBe("0.4");
    expect(spentOf(settle(lost, "a", at("0.1")))).toEqual({ month: "0.1", days: { "2026-11-24": "0.1" } });
    expect(settle(lost, "a", at(null)).spent).toBe("0.4");
    expect(found(lost, "a", { kind: "lost" }, NOW + REMEMBER_MS)).toMatchObject({
      ...{ spent: "0.4", reservations: [] },
    });
  });
  it("puts aside what answers of any length have used lately, and the most until that is known", () => {
    const amountFor = (tokens: number) => decimalOf(unitsOf("0.001") * BigInt(tokens));
    let account = newAccount("2026-11", "USD");
    const call = (claim: string, tokens: number | undefined, deployment = "d") => {
      const unlimited = { deployment, amountFor };
      const result = reserve(account, budget, { ...ask(claim, "0.9"), unlimited }, NOW);
      if (result.kind === "over") throw new Error(result.over.reason);
      const put = result.account.reservations.at(-1)?.amount;
      account = settle(result.account, claim, at("0.0001", tokens));
      return put;
    };
    expect([call("a", 40), call("b", 100), call("c", 60)]).toEqual(["0.9", "0.9", "0.9"]);
    // Twice the longest one, which fades.
    expect(call("d", 20)).toBe("0.19");
    expect(call("e", 500)).toBe("0.172");
    expect(call("f", undefined)).toBe("0.9");
    expect(call("g", 1, "other")).toBe("0.9");
  });
  it("is corrected once for each id, and never to less than nothing", () => {
    let account = settle(put(newAccount("2026-11", "USD"), "a"), "a", at("7"));
    account = correct(account, { id: "1", day: "2026-11-24", amount: "-6.5" });
    expect(spentOf(account)).toEqual({ month: "0.5", days: { "2026-11-24": "0.5" } });
    expect(correct(account, { id: "1", day: "2026-11-24", amount: "-6.5" })).toBe(account);
    expect(spentOf(correct(account, { id: "2", day: "2026-11-20", amount: "0.1" })).month).toBe("0.6");
    expect(spentOf(correct(account, { id: "3", day: "2026-11-24", amount: "-9" })).month).toBe("0");
  });
  it("refuses a submit where the budget says so, but not of a job that is due in the next period", () => {
    const refusing: Budget = { ...budget, over: "refuse" };
    const over = overOf({ ...newAccount("2026-11", "USD"), days: { "2026-11-24": "1" } }, budget, NOW);
    expect(refusalOf(budget, over, null, NOW)).toBeUndefined();
    expect(refusalOf(refusing, undefined, null, NOW)).toBeUndefined();
    expect(refusalOf(refusing, over, NOW + 30_000, NOW)).toBeUndefined();
    expect(refusalOf(refusing, over, null, NOW)).toMatchObject({
      code: "budget_exceeded",
      status: 402,
      retryAfterSeconds: 30,
    });
  });
});

describe("what a job's record says of a reservation", () => {
  const reservation = {
    ...ask("c"),
    ...{ day: "2026-11-24", since_ms: NOW, look_at_ms: NOW + LOOK_AFTER_MS },
  };
  const lease = { claim_id: "c" } as NonNullable<NonNullable<JobRecord>["job"]["lease"]>;
  const told = (job: Partial<NonNullable<JobRecord>["job"]>, trail: NonNullable<JobRecord>["trail"] = []) =>
    reconcile(reservation, {
      job: { attempts: 1, lease: null, budget_claims: { 1: "c" }, ...job },
      trail: [{ attempt: 1, event: "attempt_started", outcome: null, cost: null }, ...trail],
    });
  const cost = { amount: "0.2", currency: "USD" };
  it.each([
    ["no such job", reconcile(reservation, undefined), { kind: "settle", cost: "0" }],
    ["the claim was not made yet", told({ attempts: 0 }), { kind: "free" }],
    ["another has the attempt", told({ budget_claims: { 1: "d" } }), { kind: "settle", cost: "0" }],
    ["the attempt had no budget", told({ budget_claims: {} }), { kind: "settle", cost: "0" }],
    ["the call runs", told({ lease }), { kind: "keep" }],
    [
      "it was taken for lost",
      told({}, [{ attempt: 1, event: "attempt_lost", outcome: "lost", cost: null }]),
      { kind: "lost" },
    ],
    [
      "the job was cancelled over it",
      told({}, [{ attempt: 1, event: "cancelled", outcome: null, cost: null }]),
      { kind: "lost" },
    ],
    [
      "it failed, and was not billed",
      told({}, [{ attempt: 1, event: "attempt_failed", outcome: "retry", cost: null }]),
      { kind: "settle", cost: "0" },
    ],
    [
      "it failed, and nobody knows at what cost",
      told({}, [
        { attempt: 1, event: "attempt_failed", outcome: "retry", cost: null, cost_unknown: "no_answer" },
      ]),
      { kind: "settle", cost: null },
    ],
    [
      "it ended with a cost",
      told({}, [{ attempt: 1, event: "completed", outcome: "completed", cost }]),
      { kind: "settle", cost: "0.2" },
    ],
    [
      "its cost came late",
      told({}, [
        { attempt: 1, event: "attempt_lost", outcome: "lost", cost: null },
        { attempt: 1, event: "attempt_superseded", outcome: "completed", cost },
      ]),
      { kind: "settle", cost: "0.2" },
    ],
    [
      "another attempt's cost is not its own",
      told({ attempts: 2, budget_claims: { 1: "c", 2: "e" } }, [
        { attempt: 2, event: "completed", outcome: "completed", cost },
      ]),
      { kind: "lost" },
    ],
  ])("%s", (_, finding, expected) => expect(finding).toEqual(expected));
});

/** A small world: jobs with their own records, workers that die between any two steps, and one account for all. */
interface Call {
  readonly claim: string;
  readonly job: number;
  readonly attempt: number;
  readonly estimate: bigint;
  /** Null: nobody ever knows. */
  readonly cost: bigint | null;
  step: "reserved" | "claimed" | "recorded" | "over";
}

class World {
  account = newAccount("2026-11", "USD");
  nowMs = Date.UTC(2026, 10, 1);
  readonly calls: Call[] = [];
  /** Each job's attempts, who has the last one, and what its trail says. */
  readonly jobs = Array.from({ length: 2 }, () => ({
    attempts: 0,
    claims: {} as Record<string, string>,
    holder: null as string | null,
    trail: [] as {
      attempt: number;
      event: "completed" | "attempt_lost" | "attempt_superseded";
      outcome: string;
      cost: Call["cost"];
      cost_unknown?: "no_answer";
    }[],
  }));
  readonly budget: Budget;
  /** The largest estimate of any call so far. */
  largest = 0n;
  constructor(limit: bigint) {
    this.budget = { currency: "USD", per_day: decimalOf(limit), over: "wait" };
  }

  reserve(job: number, estimate: bigint, cost: bigint | null): void {
    const { attempts, holder } = this.job(job);
    if (holder !== null) return;
    const claim = `c${this.calls.length}`;
    const asked = { job_id: `${job}`, attempt: attempts + 1, claim_id: claim, amount: decimalOf(estimate) };
    const result = reserve(this.account, this.budget, asked, this.nowMs);
    if (result.kind === "over") return;
    // An answer that was lost is asked for again.
    this.account = result.account;
    const again = reserve(this.account, this.budget, asked, this.nowMs);
    if (again.kind !== "reserved" || again.account !== this.account) throw new Error("twice");
    if (estimate > this.largest) this.largest = estimate;
    const bounded = cost === null || cost < estimate ? cost : estimate;
    this.calls.push({ claim, job, attempt: attempts + 1, estimate, cost: bounded, step: "reserved" });
  }

  /** The claim is written, if the job is still as it was read: one of several wins. */
  claim(call: Call): void {
    const job = this.job(call.job);
    if (call.step !== "reserved") return;
    if (job.attempts + 1 !== call.attempt) {
      this.settle(call, 0n);
      call.step = "over";
      return;
    }
    job.attempts++;
    job.claims[call.attempt] = call.claim;
    job.holder = call.claim;
    call.step = "claimed";
  }

  /** The worker stores how its call ended: in its own attempt's name, or late. */
  record(call: Call): void {
    const job = this.job(call.job);
    if (call.step !== "claimed") return;
    const mine = job.holder === call.claim;
    if (mine) job.holder = null;
    job.trail.push({
      ...{ attempt: call.attempt, outcome: "completed", cost: call.cost },
      ...(call.cost === null ? { cost_unknown: "no_answer" as const } : {}),
      event: mine ? "completed" : "attempt_superseded",
    });
    call.step = "recorded";
  }

  settle(call: Call, cost: bigint | null): void {
    this.account = settle(this.account, call.claim, at(cost === null ? null : decimalOf(cost)));
  }

  /** The worker is taken for gone, whether it is or not: somebody else may have the job. */
  lose(job: number): void {
    const found_ = this.job(job);
    if (found_.holder === null) return;
    found_.holder = null;
    found_.trail.push({ attempt: found_.attempts, event: "attempt_lost", outcome: "lost", cost: null });
  }

  look(): void {
    for (const reservation of dueOf(this.account, this.nowMs)) {
      const job = this.job(Number(reservation.job_id));
      const finding = reconcile(reservation, {
        job: {
          attempts: job.attempts,
          budget_claims: job.claims,
          lease: job.holder === null ? null : ({ claim_id: job.holder } as never),
        },
        trail: job.trail.map((each) => ({
          ...each,
          cost: each.cost === null ? null : { amount: decimalOf(each.cost), currency: "USD" },
        })),
      });
      this.account = found(this.account, reservation.claim_id, finding, this.nowMs);
    }
  }

  job(at: number) {
    const job = this.jobs[at];
    if (job === undefined) throw new Error(`no job ${at}`);
    return job;
  }

  /** What was spent, as far as anybody can tell: what nobody can tell of a call costs what was put aside for it. */
  get spent(): bigint {
    const made = this.calls.filter(({ step }) => step === "claimed" || step === "recorded");
    return made.reduce(
      (sum, { step, cost, estimate }) => sum + (step === "recorded" ? (cost ?? estimate) : estimate),
      0n,
    );
  }
}

const action = fc.oneof(
  fc.record({
    kind: fc.constant("reserve" as const),
    job: fc.nat(1),
    estimate: fc.bigInt({ min: 1n, max: 50n }),
    cost: fc.option(fc.bigInt({ min: 0n, max: 50n })),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("claim" as const, "record" as const, "settle" as const),
      call: fc.nat(3),
    }),
  },
  fc.record({ kind: fc.constant("lose" as const), job: fc.nat(1) }),
  fc.record({ kind: fc.constant("look" as const) }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(LOOK_AFTER_MS) }),
);

type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

/** Does one thing. Answers what it freed: of a claim that was not made so far, and may be yet. */
function act(world: World, each: Action): bigint {
  switch (each.kind) {
    case "reserve":
      world.reserve(each.job, each.estimate, each.cost);
      return 0n;
    case "lose":
      world.lose(each.job);
      return 0n;
    case "pass":
      world.nowMs += each.ms;
      return 0n;
    case "look": {
      const before = new Map(world.account.reservations.map((r) => [r.claim_id, unitsOf(r.amount)]));
      world.look();
      const freed = world.account.reservations.filter((r) => r.amount === "0" && r.charged !== true);
      return freed.reduce((sum, { claim_id }) => sum + (before.get(claim_id) ?? 0n), 0n);
    }
    default: {
      const call = world.calls.at(-1 - each.call); // one of the last
      if (call === undefined) return 0n;
      if (each.kind === "claim") world.claim(call);
      else if (each.kind === "record") world.record(call);
      else if (call.step === "recorded") world.settle(call, call.cost);
      return 0n;
    }
  }
}

it("is neither overspent by more than one estimate nor leaked, whatever dies between any two steps", () => {
  const limits = fc.bigInt({ min: 1n, max: 400n });
  fc.assert(
    fc.property(limits, fc.array(action, { minLength: 20, maxLength: 100 }), (limit, actions) => {
      const world = new World(limit);
      let freed = 0n;
      for (const each of actions) {
        freed += act(world, each);
        const { day } = standingsOf(world.account, world.budget, world.nowMs);
        const committed = (day?.spent ?? 0n) + (day?.reserved ?? 0n);
        expect(committed < limit + world.largest + freed).toBe(true);
      }
      // All workers are gone; the jobs' own records remain, and somebody looks in the end.
      for (const at of world.jobs.keys()) world.lose(at);
      world.nowMs += REMEMBER_MS + LOOK_AFTER_MS;
      world.look();
      world.nowMs += REMEMBER_MS;
      world.look();
      expect(world.account.reservations).toEqual([]);
      expect(unitsOf(world.account.spent)).toBe(world.spent);
    }),
    { numRuns: process.env.LONG === undefined ? 500 : 20_000 },
  );
});
