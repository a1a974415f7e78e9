import { TERMINAL_STATUSES } from "./status.ts";

/** What webhooks can tell of, by the names that OpenAI has for them and, for what only this service has, our own. */
export const EVENT_TYPES = [
  ...TERMINAL_STATUSES.map((status) => `job.${status}` as const),
  "comparison.ended",
  ...(["completed", "failed", "cancelled", "incomplete"] as const).map((end) => `response.${end}` as const),
  ...(["completed", "failed", "expired", "cancelled"] as const).map((end) => `batch.${end}` as const),
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
