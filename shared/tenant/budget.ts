import { z } from "zod";
import { decimalOf, unitsOf } from "../decimal.ts";

/** What is to be done with a job that its tenant's budget has no money for. */
export const OVER = ["wait", "refuse"] as const;

const AMOUNT = /^-?\d{1,12}(\.\d{1,12})?$/;
/** A decimal as text, exact, or a number by its shortest text; kept as text. */
export const signedAmountSchema = z
  .union([z.string(), z.number()], { error: 'a decimal as text or a number, as in "200.00"' })
  .transform((value, context) => {
    const isReadable = typeof value === "number" && Math.abs(value) <= 1e12;
    const text = isReadable ? decimalOf(unitsOf(value)) : String(value);
    if (AMOUNT.test(text)) return decimalOf(unitsOf(text));
    context.addIssue({ code: "custom", message: "a decimal of up to 12 digits and 12 decimals" });
    return z.NEVER;
  });
export const amountSchema = signedAmountSchema.refine((amount) => !amount.startsWith("-"), {
  message: "a decimal of up to 12 digits and 12 decimals, not negative",
});

/** A tenant's `budget` in the tenants file. */
export const budgetSchema = z
  .strictObject({
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, "an ISO 4217 code")
      .describe("An ISO 4217 code."),
    per_day: amountSchema.optional().describe("A day of UTC; a decimal as text."),
    per_month: amountSchema.optional().describe("A month of UTC; a decimal as text."),
    over: z.enum(OVER).default("wait").describe("What becomes of jobs there is no money for."),
  })
  .refine((budget) => budget.per_day !== undefined || budget.per_month !== undefined, {
    message: "names no limit: give per_day, per_month or both",
  });

/** The most that a tenant's calls may cost in a day and in a month, both of UTC. Amounts are decimals as text. */
export type Budget = Readonly<z.infer<typeof budgetSchema>>;

/** Tells a tenant's budget from any other: a job that waits for one of another name may go. */
export function budgetName(tenantId: string, budget: Budget | undefined): string {
  const { currency = "-", per_day = "-", per_month = "-" } = budget ?? {};
  return `${tenantId} ${currency} ${per_day} ${per_month}`;
}
