import { z } from "zod";
import type { Budgets } from "../../budget/budgets.ts";
import { dayOf } from "../../day.ts";
import { Problem } from "../../errors.ts";
import { MAX_USAGE_DAYS, MAX_USAGE_ROWS } from "../../limits.ts";
import {
  type BilledCalls,
  type TokenSums,
  totalCosts,
  totalUsage,
  UsageReport,
  type UsageRow,
} from "../../usage/usage-report.ts";
import { jsonText } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import type { Throttle } from "../throttle.ts";
import { budgetResource, budgetSchema } from "./budget.ts";
import { flag, text, whole } from "./fields.ts";
import { costSchema, tokenCounts } from "./job-resource.ts";
import { name } from "./parameters.ts";

export interface UsageRoutesDeps {
  readonly billedCalls: BilledCalls;
  readonly budgets: Pick<Budgets, "budgetOf" | "account">;
  readonly clock: { now(): number };
  readonly throttle: Pick<Throttle, "ask">;
}

const usageSchema = z
  .object({
    object: z.literal("usage"),
    from: text("The first day, UTC."),
    to: text("The last day, counted too."),
    data: z
      .array(
        z.object({
          day: text("UTC, by when the call's end was recorded."),
          tenant_id: text("Whose jobs."),
          model: text("The model the job asked for."),
          provider: text("The lab that was called.").nullable(),
          simulated: flag("True: made-up answers, and made-up cost."),
          calls: whole("Calls that reported usage, late and superseded ones included."),
          unknown_cost_calls: whole(
            "Calls that may have been billed, and nobody knows how much: lost, aborted, or without a count.",
          ),
          usage: tokenCounts,
          cost: costSchema.nullable(),
        }),
      )
      .describe("One row for each day, tenant, model, lab and currency."),
    total: z
      .object({
        calls: whole("The calls of all rows."),
        unknown_cost_calls: whole("Those of all rows."),
        usage: tokenCounts,
        costs: z.array(costSchema).describe("One for each currency."),
      })
      .describe("All rows together."),
    budget: budgetSchema
      .nullable()
      .describe(
        "The tenant's budget as it stands now; null: it has none, or the question is not about one tenant.",
      ),
  })
  .meta({ id: "Usage", title: "Usage" });

const day = z.iso.date("must be a day, as in 2026-11-24").optional();
const filters = {
  from: day.describe("The first day, UTC; without it the first of the month of `to`."),
  to: day.describe(`The last day, counted too; without it today. At most ${MAX_USAGE_DAYS} days.`),
  model: name.optional().describe("Only jobs for this model."),
  provider: name.optional().describe("Only calls of this lab's deployments."),
};
const answers = { 200: { description: "The sums.", schema: usageSchema } };

const own = route({
  name: "get-usage",
  method: "GET",
  path: "api/usage",
  who: "tenant",
  summary: "The tenant's tokens and cost by day, model and lab: the sum of its audit records",
  query: z.object(filters),
  answers,
  handle: async (deps: UsageRoutesDeps, { query }, { tenant }, { log }) => {
    const answered = deps.throttle.ask(tenant, log);
    return usage(deps, query, tenant.id).finally(answered);
  },
});

const everyones = route({
  name: "get-all-usage",
  method: "GET",
  path: "api/ops/usage",
  who: "operator",
  summary: "Operators: all tenants' tokens and cost, or one tenant's",
  query: z.object({ ...filters, tenant: name.optional().describe("Only this tenant's.") }),
  answers,
  handle: async (deps: UsageRoutesDeps, { query: { tenant, ...query } }) => usage(deps, query, tenant),
});

export const usageRoutes: readonly Route<UsageRoutesDeps>[] = [own, everyones];

interface Asked {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
}

/** @throws Problem invalid_request for an impossible span, or when there is more than one answer holds */
async function usage(deps: UsageRoutesDeps, asked: Asked, tenantId: string | undefined) {
  const { billedCalls, budgets, clock } = deps;
  const { from, to } = spanOf(asked, clock.now());
  const report = new UsageReport();
  const span = { tenantId, fromSeconds: startOf(from), untilSeconds: startOf(to) + DAY_SECONDS };
  for await (const page of billedCalls.pages(span)) {
    for (const call of page) {
      if (asked.model !== undefined && call.model !== asked.model) continue;
      if (asked.provider !== undefined && call.provider !== asked.provider) continue;
      report.add(call);
    }
    if (report.size > MAX_USAGE_ROWS) {
      const detail = `There are over ${MAX_USAGE_ROWS} rows: ask for fewer days, or one tenant.`;
      throw new Problem("invalid_request", detail);
    }
  }
  const rows = report.rows();
  const budget = tenantId === undefined ? undefined : budgets.budgetOf(tenantId);
  const body = {
    object: "usage" as const,
    from,
    to,
    data: rows,
    total: {
      calls: rows.reduce((sum, row) => sum + row.calls, 0),
      unknown_cost_calls: rows.reduce((sum, row) => sum + row.unknown_cost_calls, 0),
      usage: totalUsage(rows),
      costs: [...totalCosts(rows)],
    },
    budget:
      tenantId === undefined || budget === undefined
        ? null
        : budgetResource(budget, await budgets.account(tenantId), clock.now()),
  };
  return jsonText(200, JSON.stringify(body satisfies Exact, exactly));
}

/** The schema's, but for sums beyond 2^53. */
type Exact = Omit<z.input<typeof usageSchema>, "data" | "total"> & {
  readonly data: readonly UsageRow[];
  readonly total: { readonly usage: TokenSums };
};
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
const exactly = (_: string, value: unknown) => (typeof value === "bigint" ? rawJSON(String(value)) : value);

const DAY_SECONDS = 86_400;
const startOf = (day: string) => Date.parse(`${day}T00:00:00Z`) / 1000;

/** The first and last day, UTC, both counted. */
function spanOf(asked: Asked, nowMs: number): { from: string; to: string } {
  const to = asked.to ?? dayOf(nowMs);
  const from = asked.from ?? `${to.slice(0, 8)}01`;
  const days = (startOf(to) - startOf(from)) / DAY_SECONDS + 1;
  if (days >= 1 && days <= MAX_USAGE_DAYS) return { from, to };
  const message = days < 1 ? "is after `to`" : `and \`to\` span ${days} days: at most ${MAX_USAGE_DAYS}`;
  throw invalidRequest([{ path: "from", message }]);
}
