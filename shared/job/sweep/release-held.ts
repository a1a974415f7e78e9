import type { Clock } from "../../clock.ts";
import { SWEEP_MAX_PAGES, SWEEP_PAGE_JOBS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { STORED_VERSION } from "../../store.ts";
import { queuedWakeAtMs } from "../advance.ts";
import { draftOf } from "../life-cycle.ts";
import type { HeldJobsStore, Nudges } from "../ports.ts";
import { change } from "../saving.ts";

/** A worker may hold a job a moment after a change that it has not yet seen: how long those are looked for. */
const LATE_HOLDERS_MS = 15_000;

export interface HeldJobsDeps {
  readonly store: HeldJobsStore;
  readonly nudges: Nudges;
  readonly clock: Clock;
  readonly nudgeGraceMs: number;
  /** Of what operators have set, as this instance knows it; counts up. */
  readonly revision: () => number;
}

/**
 * Nudges the jobs that were held under an older version of what operators have set, once for each new version: what
 * they wait for may be on again. A round is bounded, the next goes on. Without a change it costs nothing.
 */
export class HeldJobs {
  readonly #deps: HeldJobsDeps;
  #revision = 0;
  #untilMs = 0;

  constructor(deps: HeldJobsDeps) {
    this.#deps = deps;
  }

  /** Answers how many were nudged. Throws when the store or Service Bus cannot be reached: the next round goes on. */
  async release(log: Log): Promise<number> {
    const { store, clock } = this.#deps;
    const revision = this.#deps.revision();
    if (revision !== this.#revision) {
      this.#revision = revision;
      this.#untilMs = clock.monotonic() + LATE_HOLDERS_MS;
    }
    if (clock.monotonic() > this.#untilMs) return 0;
    let released = 0;
    for (let page = 0; page < SWEEP_MAX_PAGES; page++) {
      const keys = await store.heldBefore(revision, SWEEP_PAGE_JOBS);
      for (const key of keys) if (await this.#nudge(key, revision)) released++;
      if (keys.length < SWEEP_PAGE_JOBS) break;
      // There may be more than a round holds: as long as pages are full it is not done.
      this.#untilMs = clock.monotonic() + LATE_HOLDERS_MS;
    }
    if (released > 0) log.info("held_jobs_nudged", { jobs: released, revision });
    return released;
  }

  /** Marked with the new version first, so that a round that dies in between costs one grace and no second nudge. */
  async #nudge(key: { tenant_id: string; job_id: string }, revision: number): Promise<boolean> {
    const { store, nudges, clock, nudgeGraceMs } = this.#deps;
    const marked = await change(store, key, clock, (job) => {
      if (job.status !== "queued" || job.held === undefined || job.held.revision >= revision)
        return undefined;
      const wakeAtMs = queuedWakeAtMs(job, clock.now(), nudgeGraceMs);
      return draftOf({ ...job, held: { ...job.held, revision }, nudges_resent: 0, wake_at_ms: wakeAtMs });
    });
    if (marked?.changed !== true) return false;
    await nudges.send({ v: STORED_VERSION, tenant_id: key.tenant_id, job_id: key.job_id });
    return true;
  }
}
