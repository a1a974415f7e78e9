import { expect, it } from "vitest";
import {
  budgetWords,
  doubtsOf,
  draftOf,
  keyBody,
  keyState,
  modelFor,
  NEW_TENANT,
  type Tenant,
  tenantBody,
} from "../../../console/rows/tenants.ts";
import { parseTenants } from "../../../shared/tenant/tenants.ts";

const tenant: Tenant = {
  ...{ id: "team-c", source: "store", since: 1, actor: "ops", reason: null, key_count: 0 },
  ...{ key_sha256: ["a".repeat(64)], entra_app_ids: ["11111111-2222-4333-8444-555555555555"] },
  ...{ entra_scopes: ["Jobs.Submit"], weight: 2, allow_models: ["gpt-*", "grok-4"], deny_providers: ["xai"] },
  limits: { submits_per_second: 5, burst: 20 },
  budget: { currency: "USD", per_day: "1.50", over: "refuse" },
};

it("a tenant that is set as it was shown stays as it was", () => {
  const { id, source, since, actor, reason, key_count, ...fields } = tenant;
  expect(tenantBody(draftOf(tenant))).toEqual(fields);
});

it("what is filled in is a tenant as the file has them", () => {
  for (const draft of [NEW_TENANT, draftOf(tenant)]) {
    const parsed = parseTenants({ tenants: [{ id: "team-c", ...tenantBody(draft) }] }, { local: true });
    expect(parsed).not.toHaveProperty("faults");
  }
});

it("what is left empty is not sent, and a reason is", () => {
  expect(tenantBody({ ...NEW_TENANT, reason: "why" })).toEqual({
    ...{ key_sha256: [], entra_app_ids: [], entra_scopes: [], weight: 1 },
    ...{ allow_models: ["*"], deny_providers: [], reason: "why" },
  });
});

it("what is hardly meant is said, as far as the catalogue tells", () => {
  const catalogue = {
    deployments: [{ model: "gpt-sim", price: { currency: "USD" } }],
    routes: [{ model: "any" }],
  };
  const doubts = (more: Partial<typeof NEW_TENANT>, known = true) =>
    doubtsOf({ ...NEW_TENANT, ...more }, known ? catalogue : undefined).join(" ");
  expect(doubts({ perDay: "1", perMonth: "9", allowModels: "gpt-*, any" })).toBe("");
  expect(doubts({ currency: "EUR" })).toBe("");
  expect(doubts({ currency: "EUR", perDay: "1" })).toMatch(/^No model has a price in EUR/);
  expect(doubts({ currency: "EUR", perDay: "1" }, false)).toBe("");
  expect(doubts({ allowModels: "gpt-sim no-such" })).toContain("is called no-such.");
  expect(doubts({ allowModels: " " })).toBe("It may ask for no model.");
  expect(doubts({ perDay: "10", perMonth: "5" })).toContain("over the month's");
});

it("a budget in words has what is limited", () => {
  expect(budgetWords(tenant)).toBe("1.50 USD a day");
  expect(budgetWords({})).toBe("–");
});

it("a key is good to the end of its last day, UTC", () => {
  expect(keyBody("", "")).toEqual({});
  const { expires_at } = keyBody("ci", "2026-11-30");
  expect(expires_at).toBe(Date.parse("2026-12-01T00:00:00Z") / 1000);
  expect(keyState({ expires_at: expires_at as number }, Number(expires_at) - 1)).toBe("on");
  expect(keyState({ expires_at: expires_at as number }, Number(expires_at))).toBe("expired");
  expect(keyState({ expires_at: null }, 9e9)).toBe("on");
});

it("a model that is shown as an example is one that the tenant may ask for", () => {
  expect(modelFor(tenant, ["deepseek-3", "gpt-sim", "grok-4"])).toBe("gpt-sim");
  expect(modelFor({ allow_models: ["grok-4"] }, ["grok-4-fast", "grok-4"])).toBe("grok-4");
  expect(modelFor({ allow_models: ["none"] }, ["gpt-sim"])).toBeUndefined();
});
