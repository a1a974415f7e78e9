import type { Job } from "../../job/job.ts";

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
 * Until when a job's trail is kept, Unix time in ms; null: for ever. Settled when the job is accepted and stored with
 * it: were the setting read again for each record, a change of it would let a trail go in parts.
 */
export function auditUntilMs(
  job: Pick<Job, "deadline_ms" | "audit_until_ms">,
  retention: Retention,
): number | null {
  if (job.audit_until_ms !== undefined) return job.audit_until_ms;
  return retention.auditDays === 0 ? null : job.deadline_ms + retention.auditDays * DAY_SECONDS * 1000;
}

/**
 * The `ttl` of an item written now, in seconds. Cosmos counts from an item's last write, so each item's is reckoned
 * to one fixed moment, the job's deadline plus the retention: whatever is written when, a job's audit records go
 * together, content goes before them, and the job item goes last, so that its key never meets older records.
 */
export function ttlSeconds(
  kind: "content" | "audit" | "job",
  job: Pick<Job, "deadline_ms" | "audit_until_ms">,
  nowMs: number,
  retention: Retention,
): number {
  const goesAtMs =
    kind === "content"
      ? job.deadline_ms + retention.contentDays * DAY_SECONDS * 1000
      : auditUntilMs(job, retention);
  if (goesAtMs === null) return NEVER;
  const afterTrailSeconds = kind === "job" ? DAY_SECONDS : 0;
  return Math.max(1, Math.ceil((goesAtMs - nowMs) / 1000) + afterTrailSeconds);
}
