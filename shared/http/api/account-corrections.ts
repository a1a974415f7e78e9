import { z } from "zod";
import { type CorrectAccountDeps, correctAccount } from "../../control/correct-account.ts";
import { dayOf } from "../../day.ts";
import { Problem } from "../../errors.ts";
import { MAX_OPS_BODY_BYTES, MAX_OPS_REASON_CHARS } from "../../limits.ts";
import { signedAmountSchema } from "../../tenant/budget.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { route } from "../route.ts";
import { budgetResource, budgetSchema } from "./budget.ts";
import { text } from "./fields.ts";
import { idempotencyKey, named } from "./parameters.ts";
import type { UsageRoutesDeps } from "./usage.ts";

export interface AccountCorrectionDeps {
  readonly accounts: CorrectAccountDeps & Pick<UsageRoutesDeps, "budgets">;
  readonly newId: () => string;
}

const correctionSchema = z
  .object({
    object: z.literal("account_correction"),
    id: text("The hash of its record in GET /api/ops/audit?scope=accounts."),
    tenant_id: text("Whose account."),
    currency: text("ISO 4217."),
    day: text("The day it counts in, UTC."),
    amount: text("Decimal, exact."),
    budget: budgetSchema.describe("As it stands now."),
  })
  .meta({ id: "AccountCorrection", title: "A correction of a tenant's account" });

export const accountCorrectionRoute = route({
  name: "correct-account",
  method: "POST",
  path: "api/ops/tenants/{id}/account-corrections",
  who: "operator",
  summary:
    "Operators: correct what a tenant has spent of its budget, where a figure was wrong or is known by now",
  params: { schema: z.object({ id: named("tenant") }), absent: "setting_not_found" },
  headers: z.object({
    "Idempotency-Key": idempotencyKey
      .optional()
      .describe("The same key for the same tenant is one correction."),
  }),
  body: {
    schema: z
      .strictObject({
        amount: signedAmountSchema.describe(
          "Decimal, in the budget's currency: so much more was spent; negative: less. Nothing becomes less than nothing.",
        ),
        day: z.iso
          .date("must be a day, as in 2026-11-24")
          .optional()
          .describe("That it counts in, UTC, and in that day's month; without it today."),
        reason: z.string().min(1).max(MAX_OPS_REASON_CHARS).describe("For the audit trail."),
      })
      .meta({ id: "AccountCorrectionRequest", title: "What correcting an account takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: { 200: { description: "Corrected, now or before.", schema: correctionSchema } },
  errors: ["setting_not_found"],
  handle: async ({ accounts, newId }: AccountCorrectionDeps, input, { actor }) => {
    const { path, body, headers, pathname } = input;
    const nowMs = accounts.clock.now();
    const budget = accounts.budgets.budgetOf(path.id);
    if (budget === undefined)
      throw new Problem("setting_not_found", `There is no budget of a tenant ${path.id}.`);
    const { amount, day = dayOf(nowMs), reason } = body;
    if (day > dayOf(nowMs)) throw invalidRequest([{ path: "/day", message: "has not begun" }]);
    const key = headers["Idempotency-Key"];
    const changeId = key === undefined ? newId() : `POST ${pathname} ${key}`;
    const account = { tenantId: path.id, currency: budget.currency };
    const made = await correctAccount(accounts, account, { amount, day }, { changeId, actor, reason });
    const corrected: z.input<typeof correctionSchema> = {
      ...{ object: "account_correction", tenant_id: path.id, currency: budget.currency, ...made },
      budget: budgetResource(budget, await accounts.budgets.account(path.id), nowMs),
    };
    return json(200, corrected);
  },
});
