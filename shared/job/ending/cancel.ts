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
  const result = await change(deps.store, key, deps.clock, (job) =>
    isEnded(job)
      ? undefined
      : end(draftOf(job), {
          status: "cancelled",
          nowMs: deps.clock.now(),
          actor,
          reason,
        }),
  );
  if (result === undefined) throw jobNotFound(key);
  const { job, etag, changed } = result;
  if (!changed && job.status !== "cancelled") {
    throw new Problem("job_ended", `${key.job_id} has already ended: it is ${job.status}.`);
  }
  if (changed) {
    deps.running.abort(key.job_id, "cancelled");
    deps.running.ended({ job: { value: job, etag }, response: undefined });
  }
  return { value: job, etag };
}
