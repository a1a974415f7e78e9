import type { QuotaHeaders } from "../model/quota-headers.ts";
import type { JobKey, Stored, WriteResult } from "../store.ts";
import type { CallFault } from "./belief/breaker.ts";
import type { Taken } from "./belief/pool.ts";
import type { Grant, Proof } from "./grant.ts";
import type { PoolRecord } from "./pool-record.ts";
import type { Waiting } from "./turns/fair-queue.ts";

/** What scheduling needs of the world; shared/azure implements it. Every method throws StoreUnavailable. */

export interface CallNews {
  readonly deployment: string;
  readonly job_id: string;
  /** Absent: an older version does not say. */
  readonly tenant_id?: string;
  readonly taken: Taken;
  /**
   * `refused`: 429. `failed`: the deployment's fault. `aborted`: nobody's. `unused`: it was let go, and no call was made.
   * `ok`: all else, whatever it answered.
   */
  readonly outcome: "ok" | "refused" | "failed" | "aborted" | "unused";
  readonly latency_ms: number;
  /** When it was sent, by the clock of whoever is told; null: it was another's clock that saw it. */
  readonly sent_ms: number | null;
  readonly headers: QuotaHeaders;
  readonly retry_after_ms: number | null;
  /** What it used, by the answer's own word; absent: that does not say. */
  readonly used_tokens?: number;
  /** Where it failed, why; absent: an older version does not say. */
  readonly fault?: CallFault;
  /** An instance made it out of its own slice, without asking the dispatcher. */
  readonly straight?: boolean;
  /** `unused` for want of a slot: the job waits on in its line. */
  readonly waits_on?: boolean;
}

/** A pool to be written, over the version of that etag; undefined: it is new. */
export interface PoolWrite {
  readonly pool: string;
  readonly record: PoolRecord;
  readonly etag: string | undefined;
}

export interface QuotaLedger {
  read(pool: string): Promise<Stored<PoolRecord> | undefined>;
  /** All of them by one operation, up to 100; none where one is of another version by now. */
  write(writes: readonly PoolWrite[]): Promise<PoolsWritten>;
}

export type PoolsWritten =
  | { readonly kind: "written"; readonly etags: readonly string[] }
  /** `at`: one that has moved on, from 0; undefined where the store does not say. */
  | { readonly kind: "superseded"; readonly at: number | undefined };

/** Who dispatches. */
export interface DispatcherLease {
  readonly holder: string | null;
  readonly renewals: number;
  /** Jobs wait, and none can go before then: somebody is told to go on at that time. Unix ms. */
  readonly resumes_ms?: number | undefined;
  /** Jobs were let go then that nobody may have begun yet. */
  readonly granted_ms?: number | undefined;
}

export interface StoredLease extends Stored<DispatcherLease> {
  /** Since it was written, by the store's own clock; up to a second too much. */
  readonly age_ms: number;
}

export interface DispatcherLeases {
  read(): Promise<StoredLease | undefined>;
  write(lease: DispatcherLease, etag: string | undefined): Promise<WriteResult>;
}

/** What an instance has to tell the dispatcher of calls. */
export interface Report {
  readonly instance: string;
  /** Number of the last of `news`; they are numbered without gaps, so that the dispatcher hears each once. */
  readonly seq: number;
  readonly news: readonly CallNews[];
}

export interface Reports {
  write(report: Report, nowMs: number): Promise<void>;
  /** Those written since some time, by the clocks of those who wrote them. */
  since(sinceMs: number): Promise<readonly Report[]>;
}

/** A job that waits for quota, as it is stored. */
export interface JobInLine extends Waiting {
  /** When it began to wait, by the clock of whoever stored that. */
  readonly joined_ms: number;
  /** In the line of all that wait: turns/line.ts. */
  readonly place: string;
}

export interface JobsInLine {
  /** Those that wait since some time, the longest first. */
  joinedAfter(joinedMs: number, limit: number): Promise<readonly JobInLine[]>;
  inLine(
    range: { readonly after: string; readonly before?: string },
    limit: number,
  ): Promise<readonly JobInLine[]>;
  /** Those whose deadline comes before some time, the nearest first. */
  dueBefore(deadlineMs: number, limit: number): Promise<readonly JobInLine[]>;
  /** The jobs whose call of this deployment runs, those that hold a lease for it: tenants by job id. */
  runningOn(deployment: string): Promise<ReadonlyMap<string, string>>;
  /** The latest calls of all instances that were answered, the newest first; `age_ms` by the store's clock, up to a second too much. */
  latelyServed(): Promise<
    readonly (Pick<JobKey, "job_id"> & { readonly deployment: string; readonly age_ms: number })[]
  >;
}

export interface Releases {
  release(jobs: readonly { readonly key: JobKey; readonly grant: Grant }[]): Promise<void>;
  /** Nudges for jobs that no call could end in time; `late` is absent until it is signed. */
  giveUp(jobs: readonly (JobKey & { readonly late?: Proof })[]): Promise<void>;
  /** Has whoever takes the message dispatch. @param atMs not before; absent: now */
  dispatch(atMs?: number): Promise<void>;
}
