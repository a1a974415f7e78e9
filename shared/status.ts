/** The states of a job, as the API, the store and the audit trail name them. */
export const STATUSES = ["queued", "in_progress", "completed", "failed", "cancelled", "expired"] as const;
export type Status = (typeof STATUSES)[number];
export type TerminalStatus = Exclude<Status, "queued" | "in_progress">;

export function hasEnded(status: Status): status is TerminalStatus {
  return status !== "queued" && status !== "in_progress";
}
