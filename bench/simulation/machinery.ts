/** The service's machinery, as it is played: shared/quota/dispatch/dispatcher.ts, reporter.ts and pool-keeper.ts have the real ones. */

/** The least the dispatcher waits between two decisions, and the most it lets go in one. */
export const LEAST_TICK_MS = 25;
export const MOST_RELEASES = 400;
/** How often it looks at what joined the line and reported elsewhere. */
export const LOOK_MS = 200;
/** How often it looks at the longest waiting as well. */
export const STRAYS_MS = 3_000;
/** How often it renews its lease. */
export const RENEW_MS = 1_500;
/** Pools that it writes in one batch. */
export const MOST_AT_ONCE = 100;
/** An instance reports after so many calls, so long after the fourth, or as long after the first of few. */
export const REPORT_CALLS = 24;
export const REPORT_MS = 1_000;
export const FEW_CALLS = 4;
export const REPORT_FEW_MS = 4_000;
/** A job whose calls failed so often has failed. */
export const MAX_ATTEMPTS = 5;
/** How soon a deployment that is down says so. */
export const DOWN_MS = 500;
export const REFUSED_MS = 5;

/** Delays, ms: medians, each spread lognormally by `spread`. */
export interface Delays {
  /** From a submit's 202 until its job is in line. */
  readonly join: number;
  /** From the release until the call arrives: nudge, read, claim. */
  readonly nudge: number;
  /** Storing what became of a call. */
  readonly store: number;
  readonly spread: number;
}

export const DELAYS: Delays = { join: 15, nudge: 25, store: 8, spread: 0.5 };

/** Operations of the whole service so far. */
export interface Counts {
  /** For jobs: submit, wait, claim, what became of the call. */
  jobWrites: number;
  /** For quota: the dispatcher's lease, batches of pools, instances' reports. */
  quotaWrites: number;
  /** Pools in those batches. */
  poolItems: number;
  /** The worker's, of job and request. */
  jobReads: number;
  /** The dispatcher's queries. */
  queries: number;
  /** Messages sent. */
  nudges: number;
  calls: number;
  refused: number;
  failedCalls: number;
  /** Jobs by their end. */
  done: number;
  failed: number;
  /** Ended because no call could have been in time. */
  late: number;
}

export const noCounts = (): Counts => ({
  ...{ jobWrites: 0, quotaWrites: 0, poolItems: 0, jobReads: 0, queries: 0, nudges: 0 },
  ...{ calls: 0, refused: 0, failedCalls: 0, done: 0, failed: 0, late: 0 },
});
