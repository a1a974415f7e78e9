import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** Budgets over HTTP, on two instances. Each call costs less than a cent of what it may cost by its estimate. */
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-budgets-"));
const tenantsFile = path.join(folder, "tenants.json");
const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const write = (perDay: string) =>
  writeFileSync(
    tenantsFile,
    JSON.stringify({
      tenants: [
        {
          ...{ id: "waits", key_sha256: [sha256("waits")] },
          budget: { currency: "USD", per_day: perDay, per_month: "100.00" },
        },
        {
          ...{ id: "refuses", key_sha256: [sha256("refuses")] },
          budget: { currency: "USD", per_month: "0.0001", over: "refuse" },
        },
        { id: "free", key_sha256: [sha256("free")] },
      ],
      operators: [{ id: "ops", key_sha256: [sha256("operator")] }],
    }),
  );
let stack: Stack;
beforeAll(async () => {
  write("0.0002");
  stack = new Stack({ TENANTS_FILE: tenantsFile, DRAIN_SECONDS: "1" }, ["--instances", "2"]);
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  rmSync(folder, { recursive: true });
});

const submit = async (key: string, prompt: string) =>
  (await stack.submit({ ...chat(prompt), max_tokens: 50 }, { key })).json.id as string;
const usage = async (key: string) => (await stack.call("/api/usage", { key })).json;
const total = (json: { total: { costs: { amount: string }[] } }) => json.total.costs[0]?.amount ?? "0";

it("holds jobs over the budget, tells what is left, and lets them go when it is raised", {
  tags: ["long"],
}, async () => {
  const ids = await Promise.all(Array.from({ length: 6 }, (_, n) => submit("waits", `Say ${n} in words.`)));
  const held = async () => {
    const trails = await Promise.all(ids.map((id) => stack.call(`/api/jobs/${id}/audit`, { key: "waits" })));
    return trails.filter(({ json }) => / spent on \d/.test(json.data.at(-1).reason ?? "")).length;
  };
  const completed = async () =>
    (await stack.call("/api/jobs?status=completed&limit=100", { key: "waits" })).json.data.length;
  await expect.poll(async () => (await held()) + (await completed())).toBe(6);
  expect(await held()).toBeGreaterThan(0);
  const before = await usage("waits");
  expect(before.budget.day).toMatchObject({ limit: "0.0002", reserved: "0", remaining: "0" });
  expect(before.budget.day.spent).toBe(total(before));
  expect(before.budget.month).toMatchObject({ limit: "100", spent: total(before) });
  // The longest answer and a prompt of a few tokens, at 2 and 8 USD a million.
  expect(Number(before.budget.day.spent)).toBeLessThan(0.0002 + 50 * 8e-6 + 50 * 2e-6);
  expect(Number(before.budget.day.spent)).toBeGreaterThanOrEqual(0.0002);

  write("10.00");
  for (const id of ids) expect((await stack.ended(id, { key: "waits" })).json.status).toBe("completed");
  await expect.poll(async () => (await usage("waits")).budget.day.reserved).toBe("0");
  const after = await usage("waits");
  expect(after.budget.day.spent).toBe(total(after));
  const ops = await stack.call("/api/ops/usage?tenant=waits", { key: "operator" });
  expect(ops.json.budget).toEqual(after.budget);
});

it("refuses submits over the budget, where it says so, but not one that was accepted before", async () => {
  const body = { body: chat("Say something short."), metadata: {} };
  const first = { key: "refuses", body, headers: { "idempotency-key": "first" } };
  const { json: job } = await stack.call("/api/jobs", first);
  await stack.ended(job.id, { key: "refuses" });
  const refused = async () => stack.submit(chat("One more."), { key: "refuses" });
  await expect.poll(async () => (await refused()).status).toBe(402);
  const answer = await refused();
  expect(answer.json).toMatchObject({ code: "budget_exceeded" });
  expect(answer.json.detail).toMatch(/over_budget: \S+ of 0.0001 USD spent in \d{4}-\d\d/);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  expect((await stack.call("/api/jobs", first)).json.id).toBe(job.id);
  expect((await usage("free")).budget).toBeNull();

  const correct = (tenant: string, body: object, key = "operator") =>
    stack.call(`/api/ops/tenants/${tenant}/account-corrections`, {
      ...{ key, body, headers: { "idempotency-key": "once" } },
    });
  const correction = { amount: "-0.01", reason: "the figure was wrong" };
  expect((await correct("free", correction)).json.code).toBe("setting_not_found");
  expect((await correct("refuses", { amount: "-0.01" })).json.faults).toMatchObject([{ path: "/reason" }]);
  expect((await correct("refuses", { ...correction, day: "2999-01-01" })).json.code).toBe("invalid_request");
  expect((await correct("refuses", correction, "refuses")).status).toBe(403);
  const { json: corrected } = await correct("refuses", correction);
  expect(corrected).toMatchObject({ amount: "-0.01", budget: { month: { spent: "0", reserved: "0" } } });
  expect((await correct("refuses", correction)).json).toEqual(corrected);
  const { json: audit } = await stack.call("/api/ops/audit?scope=accounts", { key: "operator" });
  expect(audit.data).toMatchObject([{ event: "account_corrected", hash: corrected.id }]);
  await expect.poll(async () => (await refused()).status).toBe(202);
});
