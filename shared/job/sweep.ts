import type { Clock } from "../clock.ts";
import { SWEEP_MAX_PAGES, SWEEP_PAGE_JOBS } from "../limits.ts";
import { type Log, reasonOf } from "../log.ts";
import { queuedWakeAtMs } from "./advance.ts";
import { type Job, STORED_VERSION } from "./job.ts";
import { draftOf } from "./life-cycle.ts";
import type { JobKey, JobStore, Nudge, Nudges, Overdue } from "./ports.ts";
import { change } from "./saving.ts";

export interface SweepDeps {
  readonly store: JobStore;
  readonly nudges: Nudges;
  readonly clock: Clock;
  readonly nudgeGraceMs: number;
}

export interface SweepReport {
  readonly overdue: number;
  readonly nudged: number;
  readonly watched: number;
  /** Of the nudges, those for leases found dead. */
  readonly lostLeases: number;
}

/** After this many nudges of the sweeper's own the wait for the next one grows no more. */
const MAX_DOUBLINGS = 6;

/**
 * Finds the jobs whose time has come and nudges them. A round is bounded: what is left over is the longest overdue
 * next time. Remembers from round to round which leases it has seen unchanged, and since when.
 */
export class Sweeper {
  readonly #deps: SweepDeps;
  /** Leases seen past their end: what was seen, and when by this process's own clock. */
  #seen = new Map<string, Seen>();

  constructor(deps: SweepDeps) {
    this.#deps = deps;
  }

  /** One round. Throws when the store or Service Bus cannot be reached: the next round starts again. */
  async sweep(log: Log): Promise<SweepReport> {
    const { store, clock } = this.#deps;
    const round: Round = { log, seen: new Map(), overdue: 0, nudged: 0, watched: 0, lostLeases: 0 };
    const nowMs = clock.now();
    for (let page = 0; page < SWEEP_MAX_PAGES; page++) {
      // Nudging moves `wake_at_ms` on, so the next query starts behind it; only watched leases stay.
      const jobs = await store.overdue(nowMs, SWEEP_PAGE_JOBS + round.watched);
      const fresh = jobs.filter((job) => !round.seen.has(job.job_id));
      round.overdue += fresh.length;
      for (const job of fresh) {
        if (job.claim_id === null) await this.#nudgeQueued(job, round);
        else await this.#watch(job, job.claim_id, round);
      }
      if (fresh.length < SWEEP_PAGE_JOBS) break;
    }
    this.#seen = round.seen;
    const { overdue, nudged, watched, lostLeases } = round;
    if (nudged > 0) log.info("swept", { overdue, nudged, watched });
    return { overdue, nudged, watched, lostLeases };
  }

  /**
   * A lease past its end by the stored clock may be alive by its holder's. It counts as dead only when it was seen
   * here unchanged for its whole length by one clock, this process's own.
   */
  async #watch(job: Overdue, claimId: string, round: Round): Promise<void> {
    const { clock } = this.#deps;
    const renewals = job.renewals ?? 0;
    const before = this.#seen.get(job.job_id);
    const same = before?.claimId === claimId && before.renewals === renewals;
    const sinceMs = same ? before.sinceMs : clock.monotonic();
    round.seen.set(job.job_id, { claimId, renewals, sinceMs });
    round.watched++;
    if (clock.monotonic() - sinceMs < (job.lease_seconds ?? 0) * 1000) return;
    round.lostLeases++;
    round.log.warn("lease_dead", { job_id: job.job_id, claim_id: claimId, renewals });
    await this.#send(job, round, { dead_lease: { claim_id: claimId, renewals } });
    // The next one after another lease's length: this one may wait in a long queue.
    round.seen.set(job.job_id, { claimId, renewals, sinceMs: clock.monotonic() });
  }

  /** Moves `wake_at_ms` on first: a round that dies in between costs one grace, never a nudge a round for ever. */
  async #nudgeQueued(job: Overdue, round: Round): Promise<void> {
    const { store, clock, nudgeGraceMs } = this.#deps;
    const nowMs = clock.now();
    const result = await change(store, job, clock, (current) =>
      current.status === "queued" && (current.wake_at_ms ?? Infinity) <= nowMs
        ? draftOf(movedOn(current, nowMs, nudgeGraceMs))
        : undefined,
    );
    if (result?.changed === true) await this.#send(job, round);
  }

  async #send(job: JobKey, round: Round, more: Pick<Nudge, "dead_lease"> = {}): Promise<void> {
    const { tenant_id, job_id } = job;
    try {
      await this.#deps.nudges.send({ v: STORED_VERSION, tenant_id, job_id, ...more });
      round.nudged++;
    } catch (thrown) {
      round.log.error("sweep_stopped", { job_id, reason: reasonOf(thrown) });
      throw thrown;
    }
  }
}

interface Seen {
  readonly claimId: string;
  readonly renewals: number;
  /** When it was first seen so, by this process's own clock. */
  readonly sinceMs: number;
}

interface Round {
  readonly log: Log;
  readonly seen: Map<string, Seen>;
  overdue: number;
  nudged: number;
  watched: number;
  lostLeases: number;
}

/** The time until the next nudge doubles, for a nudge that was not lost only waits in a long queue. */
export function movedOn(job: Job, nowMs: number, nudgeGraceMs: number): Job {
  const graceMs = nudgeGraceMs * 2 ** Math.min(job.nudges_resent, MAX_DOUBLINGS);
  const pastDeadline = nowMs >= job.deadline_ms;
  return {
    ...job,
    nudges_resent: job.nudges_resent + 1,
    wake_at_ms: pastDeadline ? nowMs + nudgeGraceMs : queuedWakeAtMs(job, nowMs, graceMs),
  };
}
