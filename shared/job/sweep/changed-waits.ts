import type { Clock } from "../../clock.ts";
import { SWEEP_AT_ONCE, SWEEP_MAX_PAGES, SWEEP_PAGE_JOBS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { type JobKey, UnreadableItem } from "../../store.ts";
import { budgetName } from "../../tenant/budget.ts";
import type { Tenants } from "../../tenant/tenants.ts";
import { queuedWakeAtMs } from "../advance.ts";
import { draftOf } from "../life-cycle.ts";
import { nudgeFor } from "../nudge.ts";
import type { JobStore, Nudges } from "../ports.ts";
import { change } from "../saving.ts";
import type { Waiting } from "../waiting.ts";

/** Queued jobs over all tenants, by what they wait for. Every method throws StoreUnavailable. */
export interface WaitingJobs {
  /** Those that wait for quota or a switch, and were chosen for under an older catalogue. */
  chosenBefore(revision: number, limit: number): Promise<readonly JobKey[]>;
  /** Those that wait for money, of a budget that has none of these names. */
  ofOtherBudgets(names: readonly string[], limit: number): Promise<readonly JobKey[]>;
}

/** One kind of change that may let waiting jobs go. */
export interface WaitChange {
  /** Another value after each such change. */
  readonly version: () => unknown;
  /** Some of the jobs that have waited since before it. */
  readonly find: (limit: number) => Promise<readonly JobKey[]>;
  /** How such a job waits once it was nudged, so that it is not found again; undefined: it is none. */
  readonly marked: (waiting: Waiting) => Waiting | null | undefined;
}

/** A job that waits for quota or a switch is chosen for anew when the catalogue, or what lies over it, is another. */
export function catalogueChange(waiting: WaitingJobs, revision: () => number): WaitChange {
  return {
    version: revision,
    find: (limit) => waiting.chosenBefore(revision(), limit),
    marked(wait) {
      const isOld = (wait.for === "quota" || wait.for === "switch") && (wait.revision ?? 0) < revision();
      return isOld ? { ...wait, revision: revision() } : undefined;
    },
  };
}

/** A job that waits for money may go when its tenant's budget is another. */
export function budgetChange(waiting: WaitingJobs, tenants: () => Tenants): WaitChange {
  const names = () => tenants().budgeted.map(({ id, budget }) => budgetName(id, budget));
  return {
    version: tenants,
    find: (limit) => waiting.ofOtherBudgets(names(), limit),
    marked: (wait) => (wait.for === "budget" && !names().includes(wait.budget) ? null : undefined),
  };
}

/** A job that waits for money of the tenant's may go when its account was corrected. */
export function accountChange(waiting: WaitingJobs, tenants: () => Tenants, tenantId: string): WaitChange {
  const own = budgetName(tenantId, tenants().get(tenantId)?.budget);
  const names = tenants().budgeted.map(({ id, budget }) => budgetName(id, budget));
  const others = names.filter((name) => name !== own);
  return {
    version: () => own,
    find: (limit) => waiting.ofOtherBudgets(others, limit),
    marked: (wait) => (wait.for === "budget" && wait.budget === own ? null : undefined),
  };
}

/** Instances hear of a change each for itself: one may still store a job a moment after another knows better. */
const LATE_STORED_MS = 15_000;

export interface ChangedWaitsDeps {
  readonly store: JobStore;
  readonly nudges: Nudges;
  readonly clock: Clock;
  readonly nudgeGraceMs: number;
}

/**
 * Nudges the jobs that a change may let go, once for each change. A round is bounded, the next goes on. Without a
 * change it costs nothing.
 */
export class ChangedWaits {
  readonly #deps: ChangedWaitsDeps;
  readonly #change: WaitChange;
  #seen: unknown;
  #untilMs = 0;

  constructor(deps: ChangedWaitsDeps, change: WaitChange) {
    this.#deps = deps;
    this.#change = change;
  }

  /** Answers how many were nudged. Throws when the store or Service Bus cannot be reached: the next round goes on. */
  async nudge(log: Log): Promise<number> {
    const { clock } = this.#deps;
    const version = this.#change.version();
    if (version !== this.#seen) {
      this.#seen = version;
      this.#untilMs = clock.monotonic() + LATE_STORED_MS;
    }
    if (clock.monotonic() > this.#untilMs) return 0;
    let nudged = 0;
    for (let page = 0; page < SWEEP_MAX_PAGES; page++) {
      const keys = await this.#change.find(SWEEP_PAGE_JOBS);
      for (let from = 0; from < keys.length; from += SWEEP_AT_ONCE) {
        const some = keys.slice(from, from + SWEEP_AT_ONCE);
        const done = await Promise.all(some.map((key) => this.#nudge(key, log)));
        nudged += done.filter((each) => each).length;
      }
      if (keys.length < SWEEP_PAGE_JOBS) break;
      // There may be more than a round holds: as long as pages are full it is not done.
      this.#untilMs = clock.monotonic() + LATE_STORED_MS;
    }
    if (nudged > 0) log.info("waiting_jobs_nudged", { jobs: nudged });
    return nudged;
  }

  /** Marked first, so that a round that dies in between costs one grace and no second nudge. */
  async #nudge(key: JobKey, log: Log): Promise<boolean> {
    const { store, nudges, clock, nudgeGraceMs } = this.#deps;
    try {
      const marked = await change(store, key, clock, (job) => {
        const waiting =
          job.status === "queued" && job.waiting !== null ? this.#change.marked(job.waiting) : undefined;
        if (job.status !== "queued" || waiting === undefined) return undefined;
        const wake_at_ms = queuedWakeAtMs(job, clock.now(), nudgeGraceMs);
        return draftOf({ ...job, waiting, nudges_resent: 0, wake_at_ms });
      });
      if (marked?.changed !== true) return false;
    } catch (thrown) {
      if (!(thrown instanceof UnreadableItem)) throw thrown;
      const { kind, id, fault } = thrown;
      log.error("item_unreadable", { kind, id, fault });
      return false;
    }
    await nudges.send(nudgeFor(key));
    return true;
  }
}
