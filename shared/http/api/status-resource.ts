import { type BacklogRow, backlogOf, type LiveJob } from "../../job/backlog.ts";
import type { SweepRound } from "../../job/sweep/round.ts";

export interface StatusFacts {
  readonly nowMs: number;
  readonly counts: { readonly queued: number; readonly running: number };
  readonly jobs: readonly LiveJob[];
  /** At most so many jobs were read. */
  readonly limit: number;
  readonly deadLetters: {
    readonly kept: number;
    readonly untouched: number;
    readonly newestAtMs: number | null;
  };
  readonly round: SweepRound | undefined;
}

/** GET /api/ops/status. `exact` is false where there were more live jobs than were looked at. */
export function statusResource(facts: StatusFacts) {
  const { nowMs, counts, jobs, limit, deadLetters } = facts;
  const backlog = backlogOf(jobs, nowMs);
  const rows: BacklogRow[] = [...backlog.rows];
  return {
    object: "status",
    at: Math.floor(nowMs / 1000),
    backlog: {
      queued: counts.queued,
      oldest_wait_seconds: backlog.oldestWaitSeconds,
      exact: jobs.length < limit,
      jobs_read: jobs.length,
      by_tenant_and_model: rows,
    },
    running: counts.running,
    lost_leases: backlog.lostLeases,
    dead_letters: {
      kept: deadLetters.kept,
      untouched: deadLetters.untouched,
      newest_at: deadLetters.newestAtMs === null ? null : Math.floor(deadLetters.newestAtMs / 1000),
    },
    sweeper: facts.round === undefined ? null : sweeper(facts.round, nowMs),
  };
}

function sweeper(round: SweepRound, nowMs: number) {
  const { at_ms, took_ms, instance, report, failure } = round;
  return {
    at: Math.floor(at_ms / 1000),
    age_seconds: Math.max(0, Math.floor((nowMs - at_ms) / 1000)),
    took_ms,
    instance,
    overdue: report?.overdue ?? null,
    nudged: report?.nudged ?? null,
    lost_leases: report?.lostLeases ?? null,
    failure,
  };
}
