import type { Clock } from "../clock.ts";
import { hasEnded, type Job } from "./job.ts";
import type { JobKey, JobStore, Stored } from "./ports.ts";
import type { RunningJobs } from "./running-jobs.ts";

/** Jobs run elsewhere are looked at after this long, then half as long again each time, up to the second bound. */
const FIRST_POLL_MS = 100;
const MAX_POLL_MS = 1_000;

/**
 * The job as it is now, or as it is once it has ended, if that happens within `waitSeconds`. Undefined when there
 * is no such job.
 */
export async function awaitEnd(
  deps: { store: JobStore; running: RunningJobs; clock: Clock },
  key: JobKey,
  waitSeconds: number,
): Promise<Stored<Job> | undefined> {
  const until = deps.clock.monotonic() + waitSeconds * 1000;
  let pollMs = FIRST_POLL_MS;
  for (;;) {
    const leftMs = until - deps.clock.monotonic();
    // Listening begins before the read, so that an end between the two is not missed.
    const listener = leftMs > 0 ? listen(deps, key.job_id, Math.min(pollMs, leftMs)) : undefined;
    try {
      const stored = await deps.store.read(key);
      if (stored === undefined || hasEnded(stored.value.status) || listener === undefined) return stored;
      await listener.heard;
    } finally {
      listener?.stop();
    }
    pollMs = Math.min(pollMs * 1.5, MAX_POLL_MS);
  }
}

function listen(
  deps: { running: RunningJobs; clock: Clock },
  jobId: string,
  forMs: number,
): { heard: Promise<void>; stop: () => void } {
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const cancelTimer = deps.clock.after(forMs, resolve);
  const forget = deps.running.onEnded(jobId, resolve);
  return {
    heard,
    stop() {
      cancelTimer();
      forget();
    },
  };
}
