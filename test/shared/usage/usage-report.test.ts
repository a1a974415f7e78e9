import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { isBilled } from "../../../shared/audit/billed.ts";
import { dayOf } from "../../../shared/day.ts";
import { end } from "../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import { draftOf, startAttempt, supersedeAttempt } from "../../../shared/job/life-cycle.ts";
import { type BilledCall, totalCosts, totalUsage, UsageReport } from "../../../shared/usage/usage-report.ts";
import { by, call, submission } from "../job/samples.ts";
import { World } from "../world.ts";

const AT = 1_800_000_000;
const billed = (change: Partial<BilledCall> = {}): BilledCall => ({
  tenant_id: "team-a",
  ...{ job_id: "job_1", attempt: 1, late: false },
  model: "m",
  provider: "openai",
  simulated: true,
  at: AT,
  usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
  cost: { amount: "0.1", currency: "USD" },
  ...change,
});
const rowsOf = (calls: readonly BilledCall[]) => {
  const report = new UsageReport();
  for (const each of calls) report.add(each);
  return report.rows();
};

it("adds exactly, whatever the order", () => {
  const calls = fc.array(
    fc.record({
      model: fc.constantFrom("m", "n"),
      at: fc.integer({ min: AT, max: AT + 200_000 }),
      millionths: fc.nat({ max: 10 ** 9 }),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(calls, (made) => {
      const all = made.map(({ model, at, millionths }) =>
        billed({ model, at, cost: { amount: (millionths / 1e6).toFixed(6), currency: "USD" } }),
      );
      const rows = rowsOf(all);
      expect(rowsOf(all.toReversed())).toEqual(rows);
      const total = made.reduce((sum, { millionths }) => sum + millionths, 0);
      const [told] = totalCosts(rows);
      expect(Math.round(Number(told?.amount ?? 0) * 1e6)).toBe(total);
      expect(rows.reduce((sum, row) => sum + row.calls, 0)).toBe(made.length);
      for (const row of rows) expect(all.some((each) => dayOf(each.at * 1000) === row.day)).toBe(true);
    }),
  );
});

it("keeps apart what has no sum: currencies, and calls without a cost", () => {
  const rows = rowsOf([
    billed(),
    billed({ cost: { amount: "0.2", currency: "EUR" } }),
    billed({ cost: null }),
    billed({ simulated: false }),
    billed({ cost: null, usage: null }),
  ]);
  expect(rows.map((row) => [row.simulated, row.cost?.currency ?? null])).toHaveLength(4);
  expect(totalCosts(rows)).toHaveLength(2);
});

it("counts calls of unknown cost once, and no longer once their cost is known, in whatever order", () => {
  const lost = (attempt: number, more: Partial<BilledCall> = {}) =>
    billed({ attempt, usage: null, cost: null, ...more });
  const calls = [
    billed({ attempt: 9 }),
    lost(1),
    lost(2),
    lost(2, { late: true }),
    lost(3),
    billed({ attempt: 3, late: true }),
    lost(4, { model: "other" }),
  ];
  const told = (all: readonly BilledCall[]) =>
    rowsOf(all).map((row) => [row.model, row.calls, row.unknown_cost_calls, row.cost?.amount ?? null]);
  const expected = [
    ["m", 2, 2, "0.2"],
    ["other", 0, 1, null],
  ];
  expect(told(calls)).toEqual(expected);
  expect(told(calls.toReversed())).toEqual(expected);
  const { usage, cost } = lost(1);
  const is = (outcome: string | null, reason: string | null = null) =>
    isBilled({ outcome, reason, usage, cost });
  expect(["lost", "aborted", "completed", "too_large"].map((each) => is(each))).toEqual(Array(4).fill(true));
  expect([is("retry", "call_timeout"), is("retry", "http_503"), is("rate_limited"), is(null)]).toEqual([
    ...[true, false, false, false],
  ]);
});

it("adds what is known of a call of unknown cost, and the parts that labs tell", () => {
  const [row] = rowsOf([
    billed({ usage: { input_tokens: 10, output_tokens: 2, total_tokens: 12, cached_input_tokens: 8 } }),
    billed({ attempt: 2, usage: { input_tokens: 5, output_tokens: 1, total_tokens: 6 } }),
  ]);
  expect(row?.usage).toEqual({
    input_tokens: 15,
    output_tokens: 3,
    total_tokens: 18,
    cached_input_tokens: 8,
  });
  const usage = { input_tokens: 7, output_tokens: null, total_tokens: null };
  const [unknown] = rowsOf([billed({ usage, cost: null })]);
  expect(unknown).toMatchObject({
    ...{ calls: 1, unknown_cost_calls: 1, cost: null },
    usage: { input_tokens: 7, output_tokens: 0, total_tokens: 0 },
  });
  const failed = { outcome: "retry", reason: "no_answer", usage: null, cost: null };
  expect([isBilled(failed), isBilled({ ...failed, cost_unknown: "usage_not_reported" })]).toEqual([
    false,
    true,
  ]);
});

const world = await World.open();
afterAll(() => world.close());
const { store, billedCalls: calls } = world.ports;

it("finds each call once in the store, late ones as well, by tenant and time", async () => {
  const accepted = acceptJob(submission, by);
  await store.create(accepted, by.nowMs);
  const deployment = { name: "d", provider: "openai", simulated: true };
  const started = startAttempt(draftOf(accepted.job), {
    ...{
      claimId: "c",
      deployment,
      requestSha256: "r",
      leaseSeconds: 20,
      nowMs: by.nowMs,
      actor: "w",
      reason: null,
    },
  });
  const { lease } = started.job;
  if (lease === null) throw new Error("no lease");
  const ended = end(started, { status: "completed", nowMs: by.nowMs + 1_000, actor: "w", call });
  const late = supersedeAttempt(ended, {
    ...{ attempt: 1, lease, call, nowMs: by.nowMs + 86_400_000, actor: "w", reason: "completed" },
  });
  const current = await store.read(accepted.job);
  const written = await store.write(late, current?.etag ?? "", by.nowMs);
  expect(written.kind).toBe("written");

  const found = async (tenantId: string | undefined, from: number, until: number) => {
    const all: BilledCall[] = [];
    for await (const page of calls.pages({ tenantId, fromSeconds: from, untilSeconds: until }))
      all.push(...page);
    return rowsOf(all).map(({ day, calls: count, cost }) => [day, count, cost?.amount]);
  };
  const first = AT;
  const next = AT + 86_400;
  const both = [
    [dayOf(first * 1000), 1, "0.0001"],
    [dayOf(next * 1000), 1, "0.0001"],
  ];
  expect(await found("team-a", first, next + 1)).toEqual(both);
  expect(await found(undefined, first, next + 1)).toEqual(both);
  expect(await found("team-a", first, next)).toEqual(both.slice(0, 1));
  expect(await found("team-b", first, next + 1)).toEqual([]);
});

it("adds tokens up exactly, beyond what a number holds, and leaves out what no call can have used", () => {
  const report = new UsageReport();
  const told = (attempt: number, input_tokens: number) =>
    report.add(billed({ attempt, usage: { input_tokens, output_tokens: 1, total_tokens: null } }));
  for (let n = 0; n < 3; n++) told(n, 2 ** 53 - 1);
  told(4, 1e300);
  expect(totalUsage(report.rows())).toMatchObject({ input_tokens: 3n * (2n ** 53n - 1n), output_tokens: 4 });
});
