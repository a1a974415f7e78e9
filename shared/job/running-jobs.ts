import type { Job, StoredResponse } from "./job.ts";
import type { JobKey, Stored } from "./ports.ts";

/** A job as it was stored when it ended, and its response where it has one. */
export interface EndedJob {
  readonly job: Stored<Job>;
  readonly response: StoredResponse | undefined;
}

/**
 * What this process knows first-hand: the calls it runs, so that a cancel here aborts at once, and the clients that
 * wait here for a job to end. A short cut only: other processes learn the same from the store, a little later.
 */
export interface RunningJobs {
  /** Registers a running call; the function returned removes it. */
  add(jobId: string, call: { abort(reason: string): void }): () => void;
  abort(jobId: string, reason: string): void;
  /** A job was accepted here: until it ends here there is no need to read it to know that it is there. */
  accepted(key: JobKey): void;
  /** Whether the job was accepted here and, as far as this process knows, has not ended. */
  isLive(key: JobKey): boolean;
  /** Tells those who wait that the job ended, once that is stored. */
  ended(ended: EndedJob): void;
  /** Calls `run` once when the job ends in this process; the function returned stops waiting. */
  onEnded(jobId: string, run: (ended: EndedJob) => void): () => void;
}

/** Live jobs remembered; a forgotten one costs a read. */
const MAX_LIVE_JOBS = 10_000;

const nameOf = (key: JobKey) => `${key.tenant_id}/${key.job_id}`;

export function createRunningJobs(): RunningJobs {
  const live = new Set<string>();
  const calls = new Map<string, { abort(reason: string): void }>();
  const waiting = new Map<string, Set<(ended: EndedJob) => void>>();
  return {
    add(jobId, call) {
      calls.set(jobId, call);
      return () => {
        if (calls.get(jobId) === call) calls.delete(jobId);
      };
    },
    abort(jobId, reason) {
      calls.get(jobId)?.abort(reason);
    },
    accepted(key) {
      live.add(nameOf(key));
      // The one accepted longest ago goes first.
      if (live.size > MAX_LIVE_JOBS) for (const oldest of live.values().take(1)) live.delete(oldest);
    },
    isLive: (key) => live.has(nameOf(key)),
    ended(ended) {
      const { job_id } = ended.job.value;
      live.delete(nameOf(ended.job.value));
      const runs = waiting.get(job_id);
      waiting.delete(job_id);
      for (const run of runs ?? []) run(ended);
    },
    onEnded(jobId, run) {
      const runs = waiting.get(jobId) ?? new Set();
      runs.add(run);
      waiting.set(jobId, runs);
      return () => {
        runs.delete(run);
        if (runs.size === 0 && waiting.get(jobId) === runs) waiting.delete(jobId);
      };
    },
  };
}
