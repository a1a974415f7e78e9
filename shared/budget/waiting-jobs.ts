import { PRIORITIES, type Priority } from "../priority.ts";
import type { JobKey } from "../store.ts";

/** A job that waits for money which is put aside for calls that still run. */
export interface WaitingJob extends JobKey {
  readonly priority: Priority;
  /** What its call may cost, in units of 10^-18. */
  readonly units: bigint;
}

/** Jobs remembered for each tenant: a forgotten one is nudged by the sweeper. */
const MAX_WAITING = 10_000;

/** One tenant's, on this instance: `high` before `standard` before `low`, inside that the longest waiting first. */
export class WaitingJobs {
  readonly #jobs = new Map<Priority, Map<string, WaitingJob>>(PRIORITIES.map((each) => [each, new Map()]));
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(job: JobKey & { readonly priority: Priority }, units: bigint): void {
    const { tenant_id, job_id, priority } = job;
    const line = this.#jobs.get(priority);
    if (line === undefined || line.has(job_id) || this.#size >= MAX_WAITING) return;
    line.set(job_id, { tenant_id, job_id, priority, units });
    this.#size++;
  }

  /** Takes as many as the money is enough for; one as long as there is any, however much it may cost. */
  take(roomUnits: bigint, most: number): readonly WaitingJob[] {
    const taken: WaitingJob[] = [];
    let room = roomUnits;
    for (const line of this.#jobs.values()) {
      for (const [id, job] of line) {
        if (room <= 0n || taken.length >= most) return taken;
        room -= job.units;
        line.delete(id);
        this.#size--;
        taken.push(job);
      }
    }
    return taken;
  }
}
