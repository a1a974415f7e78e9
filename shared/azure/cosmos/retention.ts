import { keptUntil, type Retention } from "../../job/intake/accept.ts";
import type { Job } from "../../job/job.ts";

export type { Retention } from "../../job/intake/accept.ts";

/** More than what hosts' clocks differ by. */
const AFTER_TRAIL_SECONDS = 3_600;
/** Cosmos DB: no expiry, whatever the container's default. */
const NEVER = -1;

/** Until when a job's trail and content are kept: as it says itself, else by the settings. */
export function untilOf(
  job: Pick<Job, "deadline_ms" | "audit_until_ms" | "content_until_ms">,
  retention: Retention,
): ReturnType<typeof keptUntil> {
  const { audit_until_ms, content_until_ms } = keptUntil(job, retention);
  return {
    audit_until_ms: job.audit_until_ms === undefined ? audit_until_ms : job.audit_until_ms,
    content_until_ms: job.content_until_ms ?? content_until_ms,
  };
}

/**
 * The `ttl` of an item written now, in seconds. Cosmos counts from an item's last write, so each item's is reckoned
 * to one fixed moment, the job's deadline plus the retention: whatever is written when, audit records that are items
 * go together, content goes before them, and the job item, with the first records, goes last, so that its key never
 * meets older records.
 */
export function ttlSeconds(
  kind: "content" | "audit" | "job",
  job: Pick<Job, "deadline_ms" | "audit_until_ms" | "content_until_ms">,
  nowMs: number,
  retention: Retention,
): number {
  const { content_until_ms, audit_until_ms } = untilOf(job, retention);
  const goesAtMs = kind === "content" ? content_until_ms : audit_until_ms;
  if (goesAtMs === null) return NEVER;
  const laterSeconds = kind === "job" ? AFTER_TRAIL_SECONDS : 0;
  return Math.max(1, Math.ceil((goesAtMs - nowMs) / 1000) + laterSeconds);
}
