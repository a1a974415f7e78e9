import type { Clock } from "../clock.ts";
import { hasEnded, type Job } from "./job.ts";
import type { JobKey, JobStore, Stored } from "./ports.ts";
import type { EndedJob, RunningJobs } from "./running-jobs.ts";

/**
 * Jobs run elsewhere are looked at after this long, then half as long again each time, up to the second bound; with
 * that one it begins for a job accepted here, where such jobs have lately all ended here.
 */
const FIRST_POLL_MS = 25;
const MAX_POLL_MS = 1_000;

/**
 * The job and its response as they are now, or as they are once it has ended, if that happens within `waitSeconds`.
 * Undefined when there is no such job.
 */
export async function awaitEnd(
  deps: { store: JobStore; running: RunningJobs; clock: Clock },
  key: JobKey,
  waitSeconds: number,
): Promise<EndedJob | undefined> {
  const until = deps.clock.monotonic() + waitSeconds * 1000;
  const live = deps.running.isLive(key);
  let pollMs = live && deps.running.endHere() ? MAX_POLL_MS : FIRST_POLL_MS;
  let known = waitSeconds > 0 && live;
  for (;;) {
    const leftMs = until - deps.clock.monotonic();
    // Listening begins before the read, so that an end between the two is not missed.
    const listener = leftMs > 0 ? listen(deps, key.job_id, Math.min(pollMs, leftMs)) : undefined;
    try {
      // A job accepted here is there; what this process stores itself need not be read either.
      if (!known) {
        const job = await deps.store.read(key);
        if (job === undefined) return undefined;
        if (listener === undefined || hasEnded(job.value.status)) return await withResponse(deps, job);
      }
      const ended = await listener?.heard;
      if (ended !== undefined) return ended;
      known = false;
    } finally {
      listener?.stop();
    }
    pollMs = Math.min(pollMs * 1.5, MAX_POLL_MS);
  }
}

async function withResponse(
  deps: { store: JobStore; running: RunningJobs },
  job: Stored<Job>,
): Promise<EndedJob> {
  if (hasEnded(job.value.status)) deps.running.endedElsewhere(job.value);
  return { job, response: job.value.has_response ? await deps.store.readResponse(job.value) : undefined };
}

function listen(
  deps: { running: RunningJobs; clock: Clock },
  jobId: string,
  forMs: number,
): { heard: Promise<EndedJob | undefined>; stop: () => void } {
  const { promise: heard, resolve } = Promise.withResolvers<EndedJob | undefined>();
  const cancelTimer = deps.clock.after(forMs, () => resolve(undefined));
  const forget = deps.running.onEnded(jobId, resolve);
  return {
    heard,
    stop() {
      cancelTimer();
      forget();
    },
  };
}
