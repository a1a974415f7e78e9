import { Problem } from "../errors.ts";
import type { Budget } from "../tenant/budget.ts";
import type { Over } from "./account.ts";

/** What is put aside for running calls may be free again in a moment. */
const RUNNING_RETRY_AFTER_SECONDS = 5;

/**
 * Why a submit is refused, where the budget says so rather than to wait. It is 402, not 429: clients repeat a 429 by
 * themselves, and nothing they can wait for in a request brings money back.
 * @param notBeforeMs when the job may start: a job that is due in the next period does not concern this one
 */
export function refusalOf(
  budget: Budget,
  over: Over | undefined,
  notBeforeMs: number | null,
  nowMs: number,
): Problem | undefined {
  if (over === undefined || budget.over !== "refuse") return undefined;
  const { untilMs, reason } = over;
  if (untilMs !== null && notBeforeMs !== null && notBeforeMs >= untilMs) return undefined;
  const waitSeconds = untilMs === null ? RUNNING_RETRY_AFTER_SECONDS : Math.ceil((untilMs - nowMs) / 1000);
  return new Problem("budget_exceeded", `The job was not accepted: ${reason}.`, {
    retryAfterSeconds: Math.max(1, waitSeconds),
  });
}
