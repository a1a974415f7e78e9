import type { Status } from "../status.ts";
import type { Waiting } from "./waiting.ts";
import { type WaitReason, waitOf } from "./waits-for.ts";

/** What the service's status needs of a job that has not ended. Times in Unix ms. */
export interface LiveJob {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly model: string;
  readonly status: Status;
  readonly created_at_ms: number;
  readonly not_before_ms: number | null;
  readonly wake_at_ms: number;
  /** What it waits for; null: for a worker, or it runs. */
  readonly waiting: Waiting | null;
}

/** A call that runs. */
export interface RunningCall {
  readonly deployment: string;
  readonly started_at_ms: number;
}

/** Live jobs, without the ended ones costing anything. Every method throws StoreUnavailable. */
export interface LiveJobs {
  /** Whether there is any: the cheapest question of all. */
  isAny(): Promise<boolean>;
  /** How many there are, exactly; read from the index. */
  count(): Promise<{ queued: number; running: number }>;
  /** At most `limit` of them, those whose `wake_at_ms` comes first. */
  soonest(limit: number): Promise<readonly LiveJob[]>;
  /** Calls that run, at most `limit` of them. */
  running(limit: number): Promise<readonly RunningCall[]>;
}

export interface BacklogRow {
  readonly tenant_id: string;
  readonly model: string;
  /** Queued jobs that may run now. */
  readonly waiting: number;
  /** Queued jobs whose `not_before` is still to come. */
  readonly scheduled: number;
  readonly running: number;
  /** How long the oldest has waited, since it was submitted or since its `not_before`; null where none waits. */
  readonly oldest_wait_seconds: number | null;
}

export interface Backlog {
  /** Longest wait first. */
  readonly rows: readonly BacklogRow[];
  readonly oldestWaitSeconds: number | null;
  /** Queued jobs by why they wait; those that wait for nothing but a worker are not among them. */
  readonly waiting: Readonly<Partial<Record<WaitReason, number>>>;
  /** Running jobs whose lease is past its end and was not renewed: their worker is gone, or frozen. */
  readonly lostLeases: number;
}

/** Sums live jobs up by tenant and model. */
export function backlogOf(jobs: readonly LiveJob[], nowMs: number): Backlog {
  const rows = new Map<string, BacklogRow>();
  const waiting: Partial<Record<WaitReason, number>> = {};
  let lostLeases = 0;
  for (const job of jobs) {
    const { tenant_id, model } = job;
    const name = JSON.stringify([tenant_id, model]);
    const row = rows.get(name) ?? {
      ...{ tenant_id, model, waiting: 0, scheduled: 0, running: 0 },
      oldest_wait_seconds: null,
    };
    rows.set(name, counted(row, job, nowMs));
    const reason = job.status === "queued" ? waitOf(job, nowMs)?.reason : undefined;
    if (reason !== undefined) waiting[reason] = (waiting[reason] ?? 0) + 1;
    if (job.status === "in_progress" && job.wake_at_ms < nowMs) lostLeases++;
  }
  const wait = (row: BacklogRow) => row.oldest_wait_seconds ?? -1;
  const sorted = [...rows.values()].sort((a, b) => wait(b) - wait(a));
  return { rows: sorted, oldestWaitSeconds: sorted[0]?.oldest_wait_seconds ?? null, waiting, lostLeases };
}

function counted(row: BacklogRow, job: LiveJob, nowMs: number): BacklogRow {
  if (job.status === "in_progress") return { ...row, running: row.running + 1 };
  const sinceMs = Math.max(job.created_at_ms, job.not_before_ms ?? 0);
  if (sinceMs > nowMs) return { ...row, scheduled: row.scheduled + 1 };
  const waitSeconds = Math.floor((nowMs - sinceMs) / 1000);
  const oldest = Math.max(row.oldest_wait_seconds ?? 0, waitSeconds);
  return { ...row, waiting: row.waiting + 1, oldest_wait_seconds: oldest };
}
