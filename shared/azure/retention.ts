/** How long what is stored is kept. */
export interface Retention {
  readonly contentDays: number;
  /** 0: for ever. */
  readonly auditDays: number;
}

const DAY_SECONDS = 86_400;
/** Cosmos DB: no expiry, whatever the container's default. */
const NEVER = -1;

/**
 * The `ttl` of an item written now, in seconds. Cosmos counts from an item's last write, so each item's is reckoned
 * to one fixed moment, the job's deadline plus the retention: whatever is written when, a job's audit records go
 * together, content goes before them, and the job item goes last, so that its key never meets older records.
 */
export function ttlSeconds(
  kind: "content" | "audit" | "job",
  deadlineMs: number,
  nowMs: number,
  retention: Retention,
): number {
  if (kind !== "content" && retention.auditDays === 0) return NEVER;
  const days = kind === "content" ? retention.contentDays : retention.auditDays + (kind === "job" ? 1 : 0);
  return Math.max(1, Math.ceil((deadlineMs - nowMs) / 1000) + days * DAY_SECONDS);
}
