import type { AuditRecord } from "./record.ts";

const UNKNOWN_OUTCOMES: ReadonlySet<string | null> = new Set([
  "lost",
  "aborted",
  "completed",
  "invalid",
  "too_large",
]);
/** Reasons of a `retry` that had reached the lab without an answer, in records older than `cost_unknown`. */
const UNKNOWN_REASONS: ReadonlySet<string | null> = new Set(["call_timeout", "invalid_response"]);

/** Whether an audit record is about a call that used something, or may have. */
export function isBilled({
  outcome,
  reason,
  usage,
  cost,
  cost_unknown,
}: Pick<AuditRecord, "outcome" | "reason" | "usage" | "cost" | "cost_unknown">): boolean {
  if (usage !== null || cost !== null || cost_unknown !== undefined) return true;
  return UNKNOWN_OUTCOMES.has(outcome) || (outcome === "retry" && UNKNOWN_REASONS.has(reason));
}
