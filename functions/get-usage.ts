import { usageJson, usageQuery } from "../shared/http/usage.ts";
import type { BilledCalls } from "../shared/usage/usage-report.ts";
import { type Entrance, operatorRoute, tenantRoute } from "./http.ts";

/** GET /api/usage: a tenant's own; GET /api/ops/usage: all tenants', or one's */
export function registerGetUsage(deps: {
  readonly entrance: Entrance;
  readonly calls: BilledCalls;
  readonly clock: { now(): number };
}): void {
  const { entrance, calls, clock } = deps;
  const own = { name: "get-usage", method: "GET", route: "usage" } as const;
  tenantRoute(entrance, own, async (request, { tenant }) => {
    const query = usageQuery(new URL(request.url).searchParams, clock.now(), false);
    return answer(await usageJson(calls, { ...query, tenantId: tenant.id }));
  });
  const all = { name: "ops-get-usage", method: "GET", route: "ops/usage" } as const;
  operatorRoute(entrance.authenticator, all, async (request) => {
    const query = usageQuery(new URL(request.url).searchParams, clock.now(), true);
    return answer(await usageJson(calls, query));
  });
}

function answer(jsonBody: object) {
  return { status: 200, jsonBody, headers: { "cache-control": "no-store" } };
}
