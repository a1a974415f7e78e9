import type { Clock } from "../../clock.ts";
import { Problem } from "../../errors.ts";
import type { JobKey, Stored } from "../../store.ts";
import { isEnded, type Job } from "../job.ts";
import { draftOf } from "../life-cycle.ts";
import type { JobStore } from "../ports.ts";
import type { RunningJobs } from "../running-jobs.ts";
import { change } from "../saving.ts";
import { end } from "./end.ts";

export interface EndingDeps {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly running: RunningJobs;
}

export function jobNotFound(key: JobKey): Problem {
  return new Problem("job_not_found", `There is no job ${key.job_id}.`);
}

/**
 * Cancels a job that has not ended; a second time is no error. A running call is aborted as soon as its worker
 * knows: at once in this process, with its next renewal elsewhere.
 * @throws Problem job_not_found, job_ended
 */
export async function cancelJob(
  deps: EndingDeps,
  key: JobKey,
  actor: string,
  reason = "cancelled_by_client",
): Promise<Stored<Job>> {
  const result = await cancelWhere(deps, key, actor, reason, () => true);
  if (result === undefined) throw jobNotFound(key);
  const { job, etag, changed } = result;
  if (!changed && job.status !== "cancelled") {
    throw new Problem("job_ended", `${key.job_id} has already ended: it is ${job.status}.`);
  }
  return { value: job, etag };
}

/** Cancels a job if it has not ended and is such. Undefined: there is none. @throws StoreUnavailable */
export async function cancelWhere(
  { store, clock, running }: EndingDeps,
  key: JobKey,
  actor: string,
  reason: string,
  isSuch: (job: Job) => boolean,
): ReturnType<typeof change> {
  const result = await change(store, key, clock, (job) =>
    isEnded(job) || !isSuch(job)
      ? undefined
      : end(draftOf(job), { status: "cancelled", nowMs: clock.now(), actor, reason }),
  );
  if (result?.changed === true) {
    running.abort(key.job_id, "cancelled");
    running.ended({ job: { value: result.job, etag: result.etag }, response: undefined });
  }
  return result;
}
