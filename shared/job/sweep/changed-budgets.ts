import type { OverBudgetJobs } from "../../budget/ports.ts";
import type { Clock } from "../../clock.ts";
import { SWEEP_MAX_PAGES, SWEEP_PAGE_JOBS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { JobKey } from "../../store.ts";
import { STORED_VERSION } from "../../store.ts";
import { budgetName } from "../../tenant/budget.ts";
import type { Tenants } from "../../tenant/tenants.ts";
import { queuedWakeAtMs } from "../advance.ts";
import { draftOf } from "../life-cycle.ts";
import type { JobStore, Nudges } from "../ports.ts";
import { change } from "../saving.ts";

/** Instances read the tenants file each for itself: one may hold a job a moment after another knows better. */
const LATE_HOLDERS_MS = 15_000;

export interface ChangedBudgetsDeps {
  readonly store: JobStore;
  readonly overBudget: OverBudgetJobs;
  readonly nudges: Nudges;
  readonly tenants: () => Tenants;
  readonly clock: Clock;
  readonly nudgeGraceMs: number;
}

/**
 * Nudges the jobs that wait for a budget which has changed since, at the start and after each change of the tenants
 * file: there may be money for them now. A round is bounded, the next goes on. Without a change it costs nothing.
 */
export class ChangedBudgets {
  readonly #deps: ChangedBudgetsDeps;
  #seen: Tenants | undefined;
  #untilMs = 0;

  constructor(deps: ChangedBudgetsDeps) {
    this.#deps = deps;
  }

  /** Answers how many were nudged. Throws when the store or Service Bus cannot be reached: the next round goes on. */
  async release(log: Log): Promise<number> {
    const { overBudget, clock, tenants } = this.#deps;
    const current = tenants();
    if (current !== this.#seen) {
      this.#seen = current;
      this.#untilMs = clock.monotonic() + LATE_HOLDERS_MS;
    }
    if (clock.monotonic() > this.#untilMs) return 0;
    const names = current.budgeted.map(({ id, budget }) => budgetName(id, budget));
    let released = 0;
    for (let page = 0; page < SWEEP_MAX_PAGES; page++) {
      const keys = await overBudget.waitingForOthers(names, SWEEP_PAGE_JOBS);
      for (const key of keys) if (await this.#nudge(key, names)) released++;
      if (keys.length < SWEEP_PAGE_JOBS) break;
      this.#untilMs = clock.monotonic() + LATE_HOLDERS_MS;
    }
    if (released > 0) log.info("over_budget_jobs_nudged", { jobs: released });
    return released;
  }

  /** Let go first, so that a round that dies in between costs one grace and no second nudge. */
  async #nudge(key: JobKey, names: readonly string[]): Promise<boolean> {
    const { store, nudges, clock, nudgeGraceMs } = this.#deps;
    const marked = await change(store, key, clock, (job) => {
      const { held, ...rest } = job;
      if (job.status !== "queued" || held?.cause !== "over_budget" || names.includes(held.budget ?? ""))
        return undefined;
      const wake_at_ms = queuedWakeAtMs(job, clock.now(), nudgeGraceMs);
      return draftOf({ ...rest, nudges_resent: 0, wake_at_ms });
    });
    if (marked?.changed !== true) return false;
    await nudges.send({ v: STORED_VERSION, tenant_id: key.tenant_id, job_id: key.job_id });
    return true;
  }
}
