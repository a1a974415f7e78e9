/** The states of a job, as the API, the store and the audit trail name them. */
export const TERMINAL_STATUSES = ["completed", "failed", "cancelled", "expired"] as const;
export const STATUSES = ["queued", "in_progress", ...TERMINAL_STATUSES] as const;
export type Status = (typeof STATUSES)[number];
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];

export function hasEnded(status: Status): status is TerminalStatus {
  return status !== "queued" && status !== "in_progress";
}
