import type { Priority } from "../priority.ts";
import type { JobKey, Stored, WriteResult } from "../store.ts";
import type { Breaker } from "./belief/breaker.ts";
import type { Pool } from "./belief/pool.ts";
import type { CallNews } from "./dispatch/scheduler.ts";
import type { Grant } from "./grant.ts";

/** What scheduling needs of the world; shared/azure implements it. Every method throws StoreUnavailable. */

/** A pool as all instances share it. */
export interface PoolRecord {
  readonly pool: Pool;
  /** By deployment. */
  readonly breakers: Readonly<Record<string, Breaker>>;
  /** Jobs wait for this pool: until then the dispatcher alone takes of it, so that none goes round the line. */
  readonly backlog_until_ms: number;
}

export interface QuotaLedger {
  read(pool: string): Promise<Stored<PoolRecord> | undefined>;
  /** Replaces the version of that etag, or makes the first one where there is none. */
  write(pool: string, record: PoolRecord, etag: string | undefined): Promise<WriteResult>;
}

/** A pool to be written, over the version of that etag. */
export interface PoolWrite {
  readonly pool: string;
  readonly record: PoolRecord;
  readonly etag: string | undefined;
}

/** The dispatcher keeps many pools at a time. */
export interface DispatcherLedger extends QuotaLedger {
  /** All of them by one operation, up to 100; none where one is of another version by now. */
  writeAll(writes: readonly PoolWrite[]): Promise<ReplacedAll>;
}

export type ReplacedAll =
  /** In the order of the writes. */
  | { readonly kind: "written"; readonly etags: readonly string[] }
  /** `at`: one that has moved on, from 0; undefined where the store does not say. */
  | { readonly kind: "superseded"; readonly at: number | undefined };

/** Who dispatches. `renewals` counts up, so that an observer can tell a live holder from a dead one without clocks. */
export interface DispatcherLease {
  /** Null: nobody, for nothing waits. */
  readonly holder: string | null;
  readonly renewals: number;
}

export interface DispatcherLeases {
  read(): Promise<Stored<DispatcherLease> | undefined>;
  write(lease: DispatcherLease, etag: string | undefined): Promise<WriteResult>;
}

/** What an instance has to tell the dispatcher of calls it was granted. */
export interface Report {
  readonly instance: string;
  /** Number of the last of `news`; they are numbered without gaps, so that the dispatcher hears each once. */
  readonly seq: number;
  readonly news: readonly CallNews[];
}

export interface Reports {
  /** In the place of the instance's last one. */
  write(report: Report, nowMs: number): Promise<void>;
  /** Those written since some time, by the clocks of those who wrote them. */
  since(sinceMs: number): Promise<readonly Report[]>;
}

/** A job that waits for quota, as it is stored. */
export interface ParkedJob extends JobKey {
  readonly priority: Priority;
  readonly tokens: number;
  readonly deployments: readonly string[];
  /** When it was accepted, or was first due: its place in the line. */
  readonly since_ms: number;
  readonly deadline_ms: number;
  /** When it was parked, by the clock of whoever parked it. */
  readonly parked_ms: number;
  /** In the line of all that wait: line.ts. */
  readonly place: string;
}

export interface ParkedJobs {
  /** Parked after some time, the longest ago first. */
  parkedAfter(parkedMs: number, limit: number): Promise<readonly ParkedJob[]>;
  /** By place, from after one text to before another, or to the end. */
  inLine(
    range: { readonly after: string; readonly before?: string },
    limit: number,
  ): Promise<readonly ParkedJob[]>;
  /** Those whose deadline comes before some time, the nearest first. */
  dueBefore(deadlineMs: number, limit: number): Promise<readonly ParkedJob[]>;
}

export interface Releases {
  /** Nudges for jobs whose turn has come. */
  release(jobs: readonly { readonly key: JobKey; readonly grant: Grant }[]): Promise<void>;
  /** Nudges for jobs that no call could end in time. */
  giveUp(jobs: readonly JobKey[]): Promise<void>;
}
