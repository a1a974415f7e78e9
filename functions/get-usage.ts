import type { Budgets } from "../shared/budget/budgets.ts";
import { type BudgetAsked, usageJson, usageQuery } from "../shared/http/api/usage.ts";
import type { BilledCalls } from "../shared/usage/usage-report.ts";
import { type Entrance, operatorRoute, tenantRoute } from "./http.ts";

/** GET /api/usage: a tenant's own; GET /api/ops/usage: all tenants', or one's */
export function registerGetUsage(deps: {
  readonly entrance: Entrance;
  readonly calls: BilledCalls;
  readonly budgets: Pick<Budgets, "budgetOf" | "account">;
  readonly clock: { now(): number };
}): void {
  const { entrance, calls, budgets, clock } = deps;
  const budgetOf = async (tenantId: string | undefined): Promise<BudgetAsked | undefined> => {
    const budget = tenantId === undefined ? undefined : budgets.budgetOf(tenantId);
    if (tenantId === undefined || budget === undefined) return undefined;
    return { budget, account: await budgets.account(tenantId), nowMs: clock.now() };
  };
  const own = { name: "get-usage", method: "GET", route: "usage" } as const;
  tenantRoute(entrance, own, async (request, { tenant }) => {
    const query = usageQuery(new URL(request.url).searchParams, clock.now(), false);
    return answer(await usageJson(calls, { ...query, tenantId: tenant.id }, await budgetOf(tenant.id)));
  });
  const all = { name: "ops-get-usage", method: "GET", route: "ops/usage" } as const;
  operatorRoute(entrance.authenticator, all, async (request) => {
    const query = usageQuery(new URL(request.url).searchParams, clock.now(), true);
    return answer(await usageJson(calls, query, await budgetOf(query.tenantId)));
  });
}

function answer(jsonBody: object) {
  return { status: 200, jsonBody, headers: { "cache-control": "no-store" } };
}
