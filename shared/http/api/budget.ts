import { z } from "zod";
import { type Account, newAccount, type Standing, standingsOf } from "../../budget/account.ts";
import { dayOf, monthOf, nextDayMs, nextMonthMs } from "../../day.ts";
import { decimalOf } from "../../decimal.ts";
import { type Budget, OVER } from "../../tenant/budget.ts";
import { text, whole } from "./fields.ts";

const decimal = text("Decimal, exact.");
const standing = z
  .object({
    period: text("The running day (`2026-11-24`) or month (`2026-11`), UTC."),
    limit: decimal,
    spent: decimal.describe(
      "What calls that began in the period have cost; where nobody knows, what was put aside for them.",
    ),
    reserved: decimal.describe("Put aside for calls that are running."),
    remaining: decimal.describe("What is neither spent nor reserved."),
    resets_at: whole("When the next period begins, Unix seconds."),
  })
  .nullable();
export const budgetSchema = z.object({
  currency: text("ISO 4217."),
  over: z.enum(OVER).describe("What becomes of a job that there is no money for."),
  day: standing.describe("Null: no limit a day is set."),
  month: standing.describe("Null: no limit a month is set."),
});

/** A tenant's budget and where it stands. */
export function budgetResource(
  budget: Budget,
  account: Account | undefined,
  nowMs: number,
): z.input<typeof budgetSchema> {
  const { currency, over } = budget;
  const today = dayOf(nowMs);
  const known = account ?? newAccount(monthOf(today), currency);
  const { day, month } = standingsOf(known, budget, nowMs);
  return {
    currency,
    over,
    day: day === undefined ? null : standingResource(today, day, nextDayMs(nowMs)),
    month: month === undefined ? null : standingResource(known.month, month, nextMonthMs(nowMs)),
  };
}

function standingResource(period: string, { limit, spent, reserved }: Standing, untilMs: number) {
  const left = limit - spent - reserved;
  return {
    period,
    limit: decimalOf(limit),
    spent: decimalOf(spent),
    reserved: decimalOf(reserved),
    remaining: decimalOf(left > 0n ? left : 0n),
    resets_at: untilMs / 1000,
  };
}
