import { z } from "zod";
import type { Account } from "../../budget/account.ts";
import { Problem } from "../../errors.ts";
import { MAX_MODEL_NAME_CHARS, MAX_USAGE_DAYS, MAX_USAGE_ROWS } from "../../limits.ts";
import type { Budget } from "../../tenant/budget.ts";
import { type BilledCalls, dayOf, totalCosts, totalUsage, UsageReport } from "../../usage/usage-report.ts";
import { budgetJson, budgetSchema } from "./budget-json.ts";
import { ALWAYS, DOOR, json, parameter, plain, problems, ref } from "./openapi-parts.ts";
import { costSchema, tokenCounts } from "./openapi-shapes.ts";
import { checkQuery, type ParameterChecks } from "./parameters.ts";

const DAY_SECONDS = 86_400;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const startOf = (day: string) => Date.parse(`${day}T00:00:00Z`) / 1000;

/** 30 February is no day, though Date would take it for one in March. */
const checkDay = (value: string) =>
  DAY.test(value) && Number.isFinite(startOf(value)) && dayOf(startOf(value)) === value
    ? undefined
    : "must be a day, as in 2026-11-24";
const checkName = (value: string) =>
  value !== "" && value.length <= MAX_MODEL_NAME_CHARS
    ? undefined
    : `must have 1 to ${MAX_MODEL_NAME_CHARS} characters`;

const PARAMETERS: ParameterChecks = { from: checkDay, to: checkDay, model: checkName, provider: checkName };

export interface UsageQuery {
  /** The first and last day, UTC, both counted. */
  readonly from: string;
  readonly to: string;
  readonly model: string | null;
  readonly provider: string | null;
  readonly tenantId: string | undefined;
}

/**
 * The query of GET /api/usage, and with `tenant` of GET /api/ops/usage. Without `from` since the first of the month
 * of `to`, without `to` until today.
 * @throws Problem invalid_request, with every fault
 */
export function usageQuery(query: URLSearchParams, nowMs: number, forOperators: boolean): UsageQuery {
  checkQuery(query, forOperators ? { ...PARAMETERS, tenant: checkName } : PARAMETERS);
  const to = query.get("to") ?? dayOf(nowMs / 1000);
  const from = query.get("from") ?? `${to.slice(0, 8)}01`;
  const days = (startOf(to) - startOf(from)) / DAY_SECONDS + 1;
  if (days < 1 || days > MAX_USAGE_DAYS) {
    const message = days < 1 ? "is after `to`" : `and \`to\` span ${days} days: at most ${MAX_USAGE_DAYS}`;
    throw new Problem("invalid_request", "The query is not valid.", { faults: [{ path: "from", message }] });
  }
  const tenantId = query.get("tenant") ?? undefined;
  return { from, to, model: query.get("model"), provider: query.get("provider"), tenantId };
}

/** A tenant's budget and its account, where it has one; as they are now, whatever span the question is about. */
export interface BudgetAsked {
  readonly budget: Budget;
  readonly account: Account | undefined;
  readonly nowMs: number;
}

/** @throws Problem invalid_request when there is more than one answer holds; StoreUnavailable */
export async function usageJson(calls: BilledCalls, query: UsageQuery, budget?: BudgetAsked) {
  const report = new UsageReport();
  const span = {
    tenantId: query.tenantId,
    fromSeconds: startOf(query.from),
    untilSeconds: startOf(query.to) + DAY_SECONDS,
  };
  for await (const page of calls.pages(span)) {
    for (const call of page) {
      if (query.model !== null && call.model !== query.model) continue;
      if (query.provider !== null && call.provider !== query.provider) continue;
      report.add(call);
    }
    if (report.size > MAX_USAGE_ROWS) {
      throw new Problem(
        "invalid_request",
        `There are over ${MAX_USAGE_ROWS} rows: ask for fewer days, or one tenant.`,
      );
    }
  }
  const rows = report.rows();
  return {
    object: "usage",
    from: query.from,
    to: query.to,
    data: rows,
    total: {
      calls: rows.reduce((sum, row) => sum + row.calls, 0),
      unknown_cost_calls: rows.reduce((sum, row) => sum + row.unknown_cost_calls, 0),
      usage: totalUsage(rows),
      costs: totalCosts(rows),
    },
    budget: budget === undefined ? null : budgetJson(budget.budget, budget.account, budget.nowMs),
  };
}

const usage = z.object({
  object: z.literal("usage"),
  from: z.string().describe("The first day, UTC."),
  to: z.string().describe("The last day, counted too."),
  data: z
    .array(
      z.object({
        day: z.string().describe("UTC, by when the call's end was recorded."),
        tenant_id: z.string().describe("Whose jobs."),
        model: z.string().describe("The model the job asked for."),
        provider: z.string().nullable().describe("The lab that was called."),
        simulated: z.boolean().describe("True: made-up answers, and made-up cost."),
        calls: z.int().describe("Calls that reported usage, late and superseded ones included."),
        unknown_cost_calls: z
          .int()
          .describe(
            "Calls that may have been billed, and nobody knows how much: lost, aborted, or without a count.",
          ),
        usage: tokenCounts,
        cost: costSchema.nullable(),
      }),
    )
    .describe("One for each day, tenant, model, lab and currency."),
  total: z
    .object({
      calls: z.int().describe("Of all rows."),
      unknown_cost_calls: z.int().describe("Of all rows."),
      usage: tokenCounts,
      costs: z.array(costSchema).describe("One for each currency."),
    })
    .describe("All rows together."),
  budget: budgetSchema
    .nullable()
    .describe(
      "The tenant's budget as it stands now; null: it has none, or the question is not about one tenant.",
    ),
});

const day = (name: string, meaning: string) =>
  parameter("query", name, meaning, { type: "string", format: "date" });
const filters = [
  day("from", "The first day, UTC; without it the first of the month of `to`."),
  day("to", `The last day, counted too; without it today. At most ${MAX_USAGE_DAYS} days.`),
  parameter("query", "model", "Only jobs for this model.", { type: "string" }),
  parameter("query", "provider", "Only calls of this lab's deployments.", { type: "string" }),
];

export const usageSchemas = { Usage: plain(usage, "output") };
export const usagePaths = {
  "/usage": {
    get: {
      operationId: "getUsage",
      summary: "The tenant's tokens and cost by day, model and lab: the sum of its audit records",
      parameters: filters,
      responses: {
        "200": json("The sums.", ref("Usage")),
        ...problems(["invalid_request", ...DOOR, ...ALWAYS]),
      },
    },
  },
  "/ops/usage": {
    get: {
      operationId: "getAllUsage",
      summary: "For operators: all tenants' tokens and cost, or one tenant's",
      parameters: [...filters, parameter("query", "tenant", "Only this tenant's.", { type: "string" })],
      responses: { "200": json("The sums.", ref("Usage")), ...problems(["invalid_request", ...ALWAYS]) },
    },
  },
};
