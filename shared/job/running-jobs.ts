import type { JobKey, Stored } from "../store.ts";
import type { InProgress, Job, StoredRequest, StoredResponse } from "./job.ts";

/** A job as it was stored when it was accepted, and its request. */
export interface AcceptedJob {
  readonly job: Stored<Job>;
  readonly request: StoredRequest;
}

/** A job as it was stored when it ended, and its response where it has one. */
export interface EndedJob {
  readonly job: Stored<Job>;
  readonly response: StoredResponse | undefined;
}

/** A call and the job it is for, as its claim holds it. */
export interface RunningCall {
  readonly job: InProgress;
  abort(reason: string): void;
}

/** Why calls are aborted where their process is told to end. */
export const INSTANCE_ENDING = "instance_ending";

/**
 * What this process knows first-hand: the calls it runs, so that a cancel here aborts at once, and the clients that
 * wait here for a job to end. A short cut only: other processes learn the same from the store, a little later.
 */
export interface RunningJobs {
  /** Registers a running call; the function returned removes it. */
  add(jobId: string, call: RunningCall): () => void;
  abort(jobId: string, reason: string): void;
  /** Aborts the calls whose job is such. */
  abortWhere(isSuch: (job: InProgress) => boolean, reason: string): void;
  /** A job was accepted here: until it ends here there is no need to read it to know that it is there. */
  accepted(accepted: AcceptedJob): void;
  /**
   * What `accepted` was told of the job, once: a worker here need not read it again before its first attempt. It may
   * have changed since; its etag tells, when something is written.
   */
  takeAccepted(key: JobKey): AcceptedJob | undefined;
  /** Whether the job was accepted here and, as far as this process knows, has not ended. */
  isLive(key: JobKey): boolean;
  /** Tells those who wait that the job ended, once that is stored. */
  ended(ended: EndedJob): void;
  /** A job that was accepted here was found to have ended, and not here. */
  endedElsewhere(key: JobKey): void;
  /** Whether the last jobs accepted here all ended here: then their end is heard of, and need not be looked for. */
  endHere(): boolean;
  /**
   * Calls `run` once when the job ends in this process, or with undefined when the process is told to end. The function
   * returned stops waiting.
   */
  onEnded(jobId: string, run: (ended: EndedJob | undefined) => void): () => void;
  /** This process is told to end: calls are aborted, also those that begin from now on, and nobody waits here any more. */
  endInstance(): void;
  readonly isEnding: boolean;
}

/** Live jobs remembered; a forgotten one costs a read. */
const MAX_LIVE_JOBS = 10_000;
/** Characters of live jobs' requests. */
const MAX_KEPT_CHARS = 16 * 1024 * 1024;
/** With two instances that share the work evenly, so many in a row would be one chance in a million. */
const MANY_IN_A_ROW = 20;

const nameOf = (key: JobKey) => `${key.tenant_id}/${key.job_id}`;

export function createRunningJobs(): RunningJobs {
  /** Undefined once it was taken, or had to make room. */
  const live = new Map<string, AcceptedJob | undefined>();
  let keptChars = 0;
  let endedHereInARow = 0;
  const take = (name: string) => {
    const kept = live.get(name);
    if (kept !== undefined) {
      live.set(name, undefined);
      keptChars -= kept.request.body.length;
    }
    return kept;
  };
  const forget = (name: string) => {
    take(name);
    return live.delete(name);
  };
  const calls = new Map<string, RunningCall>();
  const waiting = new Map<string, Set<(ended: EndedJob | undefined) => void>>();
  let isEnding = false;
  return {
    add(jobId, call) {
      calls.set(jobId, call);
      if (isEnding) call.abort(INSTANCE_ENDING);
      return () => {
        if (calls.get(jobId) === call) calls.delete(jobId);
      };
    },
    abort(jobId, reason) {
      calls.get(jobId)?.abort(reason);
    },
    abortWhere(isSuch, reason) {
      for (const call of calls.values()) if (isSuch(call.job)) call.abort(reason);
    },
    accepted(accepted) {
      live.set(nameOf(accepted.job.value), accepted);
      keptChars += accepted.request.body.length;
      // Those accepted longest ago make room first.
      for (const oldest of live.keys()) {
        if (live.size > MAX_LIVE_JOBS) forget(oldest);
        else if (keptChars > MAX_KEPT_CHARS) take(oldest);
        else break;
      }
    },
    takeAccepted: (key) => take(nameOf(key)),
    isLive: (key) => live.has(nameOf(key)),
    ended(ended) {
      const { job_id } = ended.job.value;
      if (forget(nameOf(ended.job.value))) endedHereInARow++;
      const runs = waiting.get(job_id);
      waiting.delete(job_id);
      for (const run of runs ?? []) run(ended);
    },
    endedElsewhere(key) {
      if (forget(nameOf(key))) endedHereInARow = 0;
    },
    endHere: () => endedHereInARow >= MANY_IN_A_ROW,
    endInstance() {
      isEnding = true;
      for (const call of calls.values()) call.abort(INSTANCE_ENDING);
      for (const runs of waiting.values()) for (const run of runs) run(undefined);
    },
    get isEnding() {
      return isEnding;
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
