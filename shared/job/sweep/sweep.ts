import type { Clock } from "../../clock.ts";
import {
  MAX_CLOCKS_APART_MS,
  SWEEP_AT_ONCE,
  SWEEP_MAX_FAILURES,
  SWEEP_MAX_PAGES,
  SWEEP_PAGE_JOBS,
  SWEEP_SEND_PATIENCE_MS,
} from "../../limits.ts";
import { type Log, type LogFields, reasonOf } from "../../log.ts";
import { type JobKey, StoreUnavailable, UnreadableItem } from "../../store.ts";
import { queuedWakeAtMs } from "../advance.ts";
import type { Queued } from "../job.ts";
import { draftOf } from "../life-cycle.ts";
import { nudgeFor } from "../nudge.ts";
import type { JobStore, Nudge, Nudges, SeenLease, Stretch, SweptJobs } from "../ports.ts";
import { change } from "../saving.ts";
import { judge, type LeaseWatch, lateAfterMs } from "./lease-watch.ts";

export interface SweepDeps {
  readonly store: JobStore;
  readonly jobs: SweptJobs;
  readonly watch: LeaseWatch;
  readonly nudges: Nudges;
  /** For jobs whose worker died: they do not queue behind new ones, however many of those wait for a worker. */
  readonly urgent: Pick<Nudges, "send">;
  readonly clock: Clock;
  readonly nudgeGraceMs: number;
  readonly leaseSeconds: number;
}

export interface SweepReport {
  readonly overdue: number;
  readonly nudged: number;
  readonly watched: number;
  /** Nudges for leases found dead; they count as `nudged` too. */
  readonly lostLeases: number;
}

export const NOTHING_SWEPT: SweepReport = { overdue: 0, nudged: 0, watched: 0, lostLeases: 0 };

/** Few jobs, if any, cannot be read. */
const MOST_TOLD = 1_000;
/** After this many nudges of the sweeper's own the wait for the next one grows no more. */
const MAX_DOUBLINGS = 6;

/**
 * Finds the jobs whose time has come and nudges them. A round is bounded: what is left over is the longest overdue
 * next time. It remembers nothing itself, and judges by the store's clock alone: instances that die young, and clocks
 * that differ, keep no job waiting.
 */
export class Sweeper {
  readonly #deps: SweepDeps;
  /** Jobs told of that cannot be read: they stay where they are, round after round. */
  readonly #told = new Set<string>();

  constructor(deps: SweepDeps) {
    this.#deps = deps;
  }

  /**
   * One round. Goes on past single failures, and throws the first of them at its end; where the store or Service Bus
   * cannot be reached it ends soon. The next round starts again.
   */
  async sweep(log: Log): Promise<SweepReport> {
    const round = new Round(log, this.#told);
    const { jobs, leaseSeconds } = this.#deps;
    const nowMs = await jobs.now();
    const late = {
      fromMs: nowMs - leaseSeconds * 1000 - MAX_CLOCKS_APART_MS,
      toMs: nowMs - lateAfterMs(leaseSeconds),
    };
    if (await jobs.isAnyDue(nowMs, late)) {
      await round.part("leases", () => this.#sweepLeases(nowMs, late, round));
      await round.part("queued", () => this.#sweepQueued(nowMs, round));
    }
    const { overdue, nudged, watched, lostLeases } = round;
    if (nudged > 0) log.info("swept", { overdue, nudged, watched });
    if (round.failures.length > 0) throw round.failures[0];
    return { overdue, nudged, watched, lostLeases };
  }

  /** Before the queued jobs, however many those are: what runs was accepted before what waits. */
  async #sweepLeases(nowMs: number, late: Stretch, round: Round): Promise<void> {
    const { jobs, watch } = this.#deps;
    const leases = await jobs.lateLeases(nowMs, late, SWEEP_PAGE_JOBS * SWEEP_MAX_PAGES);
    if (leases.length === 0) return;
    const known = await watch.read();
    const verdict = judge(known, leases);
    round.watched = verdict.watch.length;
    // First kept, then nudged: a round that dies in between costs a lease's length, never a nudge a round for ever.
    if (verdict.changed) await watch.keep(verdict.watch);
    round.overdue += verdict.dead.length;
    const unsent = await round.each(verdict.dead, (lease) => this.#nudgeDead(lease, round));
    if (unsent.length === 0) return;
    const again = new Set(unsent.map(({ job_id }) => job_id));
    const before = known.filter(({ job_id }) => again.has(job_id));
    await watch.keep([...verdict.watch.filter(({ job_id }) => !again.has(job_id)), ...before]);
  }

  async #nudgeDead(lease: SeenLease, round: Round): Promise<void> {
    const { job_id, claim_id, renewals } = lease;
    round.lostLeases++;
    round.log.warn("lease_dead", { job_id, claim_id, renewals });
    await this.#send(this.#deps.urgent, lease, round, { dead_lease: { claim_id, renewals } });
  }

  async #sweepQueued(nowMs: number, round: Round): Promise<void> {
    const met = new Set<string>();
    /** Those that stay where they are, before the others: they run, or cannot be read. */
    let staying = 0;
    for (let page = 0; page < SWEEP_MAX_PAGES && !round.isOver; page++) {
      // Nudging moves `wake_at_ms` on, so the next query starts behind it.
      const jobs = await this.#deps.jobs.overdue(nowMs, SWEEP_PAGE_JOBS + staying + round.stuck);
      const fresh = jobs.filter(({ job_id }) => !met.has(job_id));
      const queued = fresh.filter(({ status }) => status === "queued");
      for (const { job_id } of fresh) met.add(job_id);
      staying += fresh.length - queued.length;
      round.overdue += queued.length;
      await round.each(queued, (job) => this.#nudgeQueued(job, nowMs, round));
      if (fresh.length < SWEEP_PAGE_JOBS) break;
    }
  }

  /** Moves `wake_at_ms` on first: a round that dies in between costs one grace, never a nudge a round for ever. */
  async #nudgeQueued(job: JobKey, nowMs: number, round: Round): Promise<void> {
    const { store, nudges, clock, nudgeGraceMs } = this.#deps;
    let moved: Queued | undefined;
    const result = await change(store, job, clock, (current) => {
      if (current.status !== "queued" || current.wake_at_ms > nowMs) return undefined;
      moved = movedOn(current, nowMs, nudgeGraceMs);
      return draftOf(moved);
    });
    if (result?.changed !== true || moved === undefined) return;
    const { wake_at_ms } = moved;
    try {
      await this.#send(nudges, job, round);
    } catch (thrown) {
      await round.part("taking back", () => this.#takeBack(job, wake_at_ms, nowMs));
      throw thrown;
    }
  }

  /** A nudge that was not sent is no reason to wait longer for the next: an outage would be paid for twice. */
  async #takeBack(job: JobKey, movedToMs: number, nowMs: number): Promise<void> {
    const { store, clock, nudgeGraceMs } = this.#deps;
    await change(store, job, clock, (current) =>
      current.status === "queued" && current.wake_at_ms === movedToMs
        ? draftOf({
            ...current,
            nudges_resent: Math.max(0, current.nudges_resent - 1),
            wake_at_ms: queuedWakeAtMs(current, nowMs, nudgeGraceMs),
          })
        : undefined,
    );
  }

  async #send(
    on: Pick<Nudges, "send">,
    job: JobKey,
    round: Round,
    more: Pick<Nudge, "dead_lease"> = {},
  ): Promise<void> {
    try {
      await on.send(nudgeFor(job, more), { patienceMs: SWEEP_SEND_PATIENCE_MS });
    } catch (thrown) {
      round.outages++;
      throw thrown;
    }
    round.nudged++;
  }
}

class Round {
  readonly log: Log;
  readonly failures: unknown[] = [];
  overdue = 0;
  nudged = 0;
  watched = 0;
  lostLeases = 0;
  /** Jobs that failed by themselves, and stay where they are. */
  stuck = 0;
  outages = 0;
  readonly #told: Set<string>;

  constructor(log: Log, told: Set<string>) {
    this.log = log;
    this.#told = told;
  }

  /** The store or Service Bus is away: each further job would only wait for it in turn. */
  get isOver(): boolean {
    return this.outages >= SWEEP_MAX_FAILURES;
  }

  /** A part of the round whose failure does not keep the others from being done. */
  async part(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (thrown) {
      this.#failed(thrown, { part: name });
    }
  }

  #failed(thrown: unknown, fields: LogFields): void {
    this.failures.push(thrown);
    this.log.error("sweep_failed", { ...fields, reason: reasonOf(thrown) });
  }

  #tell({ kind, id, fault }: UnreadableItem): void {
    const name = `${id} ${fault}`;
    if (this.#told.has(name)) return;
    if (this.#told.size >= MOST_TOLD) this.#told.clear();
    this.#told.add(name);
    this.log.error("item_unreadable", { kind, id, fault });
  }

  /** Some jobs at once, and past those that fail; answers those that were not done. */
  async each<T extends JobKey>(jobs: readonly T[], act: (job: T) => Promise<void>): Promise<readonly T[]> {
    const left = [...jobs];
    const undone: T[] = [];
    const lane = async () => {
      for (let job = left.shift(); job !== undefined; job = left.shift()) {
        try {
          if (this.isOver) undone.push(job);
          else await act(job);
        } catch (thrown) {
          undone.push(job);
          if (thrown instanceof StoreUnavailable) this.outages++;
          else this.stuck++;
          if (thrown instanceof UnreadableItem) this.#tell(thrown);
          else this.#failed(thrown, { job_id: job.job_id });
        }
      }
    };
    await Promise.all(Array.from({ length: SWEEP_AT_ONCE }, lane));
    return undone;
  }
}

/** The time until the next nudge doubles, for a nudge that was not lost only waits in a long queue. */
export function movedOn(job: Queued, nowMs: number, nudgeGraceMs: number): Queued {
  const graceMs = nudgeGraceMs * 2 ** Math.min(job.nudges_resent, MAX_DOUBLINGS);
  const pastDeadline = nowMs >= job.deadline_ms;
  return {
    ...job,
    nudges_resent: job.nudges_resent + 1,
    wake_at_ms: pastDeadline ? nowMs + nudgeGraceMs : queuedWakeAtMs(job, nowMs, graceMs),
  };
}
