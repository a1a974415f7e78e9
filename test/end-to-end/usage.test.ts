import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack.remove());

interface Money {
  readonly amount: string;
  readonly currency: string;
}
interface Row {
  readonly model: string;
  readonly provider: string;
  readonly calls: number;
  readonly usage: Record<string, number>;
  readonly cost: Money;
}

/** Exact: in units of 10^-24, reckoned here anew. */
function unitsOf({ amount }: Money): bigint {
  const [whole = "0", fraction = ""] = amount.split(".");
  return BigInt(whole + fraction.padEnd(24, "0"));
}

const PROMPTS: readonly [string, string, string][] = [
  ["local-team-a", "gpt-sim", "Say something short."],
  ["local-team-a", "any-lab", "[[sim:status=503,times=1,profile=openai]] fails over"],
  ["local-team-a", "grok-sim", "[[sim:status=429,retry_after_ms=10,times=1]] waits"],
  ["local-team-a", "gpt-sim", "[[sim:status=500]] never"],
  ["local-team-a", "deepseek-sim", "[[content_filter]] refused"],
  ["local-team-a", "gpt-sim", "[[output_filter]] cut"],
  ["local-team-b", "any-lab", "another tenant's"],
  ["local-team-b", "grok-sim", "another tenant's as well"],
];

it("is the sum of all audit trails, after failures, refusals and cancels", async () => {
  const jobs = await Promise.all(
    PROMPTS.map(async ([key, model, prompt]) => {
      const { json } = await stack.submit(chat(prompt, model), { key });
      return { key, model, id: json.id as string };
    }),
  );
  const cancelled = (await stack.submit(chat("[[sim:hang]] cancelled", "gpt-sim"))).json.id as string;
  while ((await stack.call(`/api/jobs/${cancelled}`)).json.status !== "in_progress") await pause(20);
  await stack.call(`/api/jobs/${cancelled}/cancel`, { method: "POST" });
  jobs.push({ key: "local-team-a", model: "gpt-sim", id: cancelled });
  // A job whose calls all fail tries again after back-offs: its failed attempts used nothing, so it may be cancelled.
  const failing = `/api/jobs/${jobs[3]?.id}`;
  while ((await stack.call(failing)).json.waiting === null) await pause(20);
  await stack.call(`${failing}/cancel`, { method: "POST" });
  for (const { id, key } of jobs) await stack.ended(id, { key });

  // What the cancelled call may have cost is not known: that is told once its worker has seen it aborted.
  const unknown = async () => (await stack.call("/api/usage")).json.total.unknown_cost_calls;
  await expect.poll(unknown).toBe(1);

  const rows: Record<string, Row[]> = {};
  for (const key of ["local-team-a", "local-team-b"]) {
    const answer = await stack.call("/api/usage", { key });
    expect(answer.status).toBe(200);
    rows[key] = answer.json.data;
    const sums = new Map<string, { calls: number; tokens: number; cost: bigint }>();
    for (const job of jobs.filter((each) => each.key === key)) {
      const trail = await stack.call(`/api/jobs/${job.id}/audit`, { key });
      for (const record of trail.json.data) {
        if (record.usage === null && record.cost === null) continue;
        const name = `${job.model}/${record.provider}`;
        const sum = sums.get(name) ?? { calls: 0, tokens: 0, cost: 0n };
        sums.set(name, {
          calls: sum.calls + 1,
          tokens: sum.tokens + record.usage.total_tokens,
          cost: sum.cost + unitsOf(record.cost),
        });
      }
    }
    const told = answer.json.data.map(
      (row: Row) =>
        [
          `${row.model}/${row.provider}`,
          { calls: row.calls, tokens: row.usage.total_tokens, cost: unitsOf(row.cost) },
        ] as const,
    );
    expect(new Map(told)).toEqual(sums);
    expect(sums.size).toBeGreaterThan(1);
    const total = answer.json.data.reduce((sum: bigint, row: Row) => sum + unitsOf(row.cost), 0n);
    expect(answer.json.total.costs.map(unitsOf)).toEqual([total]);
  }

  const ops = async (query: string) =>
    (await stack.call(`/api/ops/usage${query}`, { key: "local-operator" })).json;
  expect((await ops("")).data).toEqual([...(rows["local-team-a"] ?? []), ...(rows["local-team-b"] ?? [])]);
  expect((await ops("?tenant=team-b")).data).toEqual(rows["local-team-b"]);
  // The other tenant's failures may have cooled the first target of any-lab: then that job is xai's too.
  const { data: xai } = await ops("?tenant=team-b&provider=xai");
  expect(xai).toEqual(rows["local-team-b"]?.filter((row) => row.provider === "xai"));
  expect(xai.map((row: Row) => row.model)).toContain("grok-sim");
  expect((await ops("?from=2020-01-01&to=2020-01-31")).data).toEqual([]);
});

it("refuses odd questions, and another's usage", async () => {
  for (const query of [
    "from=2026-02-30",
    "from=yesterday",
    "from=2026-01-01&to=2026-02-01",
    "from=2026-02-02&to=2026-02-01",
    "tenant=team-b",
  ]) {
    const { status, json } = await stack.call(`/api/usage?${query}`);
    expect([query, status, json.code]).toEqual([query, 400, "invalid_request"]);
  }
  expect((await stack.call("/api/ops/usage")).status).toBe(403);
  expect((await stack.call("/api/usage", { key: "local-operator" })).status).toBe(403);
});
