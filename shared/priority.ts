/** How soon a job is wanted, among those of its tenant: the first before the second before the third. */
export const PRIORITIES = ["high", "standard", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];
