import canonicalize from "canonicalize";
import type { Cost, CostUnknown } from "../model/cost.ts";
import type { Usage } from "../model/usage.ts";
import { sha256Hex } from "../sha256.ts";

export const AUDIT_EVENTS = [
  "accepted",
  "attempt_started",
  "attempt_failed",
  "attempt_lost",
  "attempt_superseded",
  "waiting",
  "completed",
  "failed",
  "cancelled",
  "expired",
  "content_deleted",
  "redriven",
] as const;
export type AuditEvent = (typeof AUDIT_EVENTS)[number];

/**
 * What `accepted` says for the whole trail, so that a hash covers it. Absent in all other records, and in trails of
 * format 1, which verify as they are stored.
 */
export interface TrailTerms {
  readonly format: 2;
  readonly tenant_id: string;
  /** Unix time, seconds, when the trail goes as a whole; null: never. */
  readonly audit_until: number | null;
  /** Unix time, seconds, when request and response go. */
  readonly content_until: number;
  /** SHA-256 of the stored request. */
  readonly body_sha256: string;
}

/** One line of a job's history as a client sees it; every field is always there, null where nothing applies. */
export interface AuditRecord extends Partial<TrailTerms> {
  readonly job_id: string;
  /** 1 for the first record of a job, then without gaps. */
  readonly seq: number;
  /** Unix time, seconds. */
  readonly at: number;
  readonly event: AuditEvent;
  /** Who did it: `team-a/key:1f2e3d4c`, `worker:…`, `sweeper:…`. */
  readonly actor: string;
  readonly attempt: number | null;
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly simulated: boolean | null;
  /** How a call ended: `completed`, `rejected`, `retry`, …; see shared/model/outcome.ts. */
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
  /** Why the cost of a call that the lab may bill is unknown. Absent for all other calls, and in old records. */
  readonly cost_unknown?: CostUnknown;
  /** What the lab itself says that the call costs; absent: nothing. */
  readonly lab_cost?: Cost;
  /** The lab's words about a call that did not succeed, shortened. Absent for all other calls, and in old records. */
  readonly message?: string;
  /** What a lost call may have cost, in `attempt_lost` only; null: its price is gone too. */
  readonly estimate?: Cost | null;
  readonly latency_ms: number | null;
  /** SHA-256 of the bytes sent to the deployment; in `accepted`, of the canonical envelope. */
  readonly request_sha256: string | null;
  /** SHA-256 of the answer's bytes. */
  readonly response_sha256: string | null;
  /** SHA-256 of the response as it is stored; absent: those are the answer's bytes, or nothing is stored. */
  readonly stored_sha256?: string;
  readonly prev_hash: string;
  readonly hash: string;
}

/** What a transition says of itself; what it leaves out is null. */
export type AuditEntry = Pick<AuditRecord, "event" | "actor"> &
  Partial<
    Omit<AuditRecord, "job_id" | "seq" | "at" | "event" | "actor" | "prev_hash" | "hash" | keyof TrailTerms>
  >;

/** So many of a trail's first records lie in its job's item: most jobs have no more, and an item costs more than its bytes. */
export const FIRST_RECORDS = 3;

/** `prev_hash` of a job's first record. */
export const GENESIS_HASH = "0".repeat(64);

/**
 * The hash of a record: lower-case hex SHA-256 over the RFC 8785 canonical JSON of all its fields but `hash`
 * itself. Anyone with the records of GET /api/jobs/{id}/audit can compute it again.
 */
export function recordHash(record: Omit<AuditRecord, "hash">): string {
  const text = canonicalize(record);
  if (text === undefined) throw new TypeError("an audit record has no canonical form");
  return sha256Hex(text);
}

/** The record that follows `head` in the job's chain. @param terms of the trail, in its first record */
export function nextRecord(
  head: { readonly seq: number; readonly hash: string },
  jobId: string,
  nowMs: number,
  entry: AuditEntry,
  terms?: TrailTerms,
): AuditRecord {
  const unsealed = {
    ...terms,
    job_id: jobId,
    seq: head.seq + 1,
    at: Math.floor(nowMs / 1000),
    event: entry.event,
    actor: entry.actor,
    attempt: entry.attempt ?? null,
    deployment: entry.deployment ?? null,
    provider: entry.provider ?? null,
    simulated: entry.simulated ?? null,
    outcome: entry.outcome ?? null,
    reason: entry.reason ?? null,
    usage: entry.usage ?? null,
    cost: entry.cost ?? null,
    ...(entry.cost_unknown === undefined ? {} : { cost_unknown: entry.cost_unknown }),
    ...(entry.lab_cost === undefined ? {} : { lab_cost: entry.lab_cost }),
    ...(entry.message === undefined ? {} : { message: entry.message }),
    ...(entry.estimate === undefined ? {} : { estimate: entry.estimate }),
    latency_ms: entry.latency_ms ?? null,
    request_sha256: entry.request_sha256 ?? null,
    response_sha256: entry.response_sha256 ?? null,
    ...(entry.stored_sha256 === undefined ? {} : { stored_sha256: entry.stored_sha256 }),
    prev_hash: head.hash,
  };
  return { ...unsealed, hash: recordHash(unsealed) };
}
