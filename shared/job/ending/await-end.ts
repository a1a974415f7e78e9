import type { Clock } from "../../clock.ts";
import { MAX_RESPONSE_LOOKS } from "../../limits.ts";
import { type JobKey, type Stored, StoreUnavailable } from "../../store.ts";
import { isEnded, type Job } from "../job.ts";
import type { JobStore } from "../ports.ts";
import type { EndedJob, RunningJobs } from "../running-jobs.ts";

/**
 * Jobs run elsewhere are looked at after this long, then half as long again each time, up to the second bound; with
 * that one it begins for a job accepted here, where such jobs have lately all ended here.
 */
const FIRST_POLL_MS = 25;
const MAX_POLL_MS = 1_000;

interface EndDeps {
  readonly store: JobStore;
  readonly running: RunningJobs;
  readonly clock: Clock;
}

/** Between two looks for a response at replicas that lag; twice as long each time. */
const FIRST_LOOK_MS = 50;

/**
 * The job and its response as they are now, or as they are once it has ended, if that happens within `waitSeconds`.
 * Undefined when there is no such job.
 * @throws StoreUnavailable, also where the job is known to have ended and its response is not to be had yet
 */
export async function awaitEnd(
  deps: EndDeps,
  key: JobKey,
  waitSeconds: number,
): Promise<EndedJob | undefined> {
  const until = deps.clock.monotonic() + waitSeconds * 1000;
  const live = deps.running.isLive(key);
  let pollMs = live && deps.running.endHere() ? MAX_POLL_MS : FIRST_POLL_MS;
  let known = waitSeconds > 0 && live;
  for (;;) {
    // Where the process is told to end the client asks another one.
    const leftMs = deps.running.isEnding ? 0 : until - deps.clock.monotonic();
    // Listening begins before the read, so that an end between the two is not missed.
    const listener = leftMs > 0 ? listen(deps, key.job_id, Math.min(pollMs, leftMs)) : undefined;
    try {
      // A job accepted here is there; what this process stores itself need not be read either.
      if (!known) {
        const job = await deps.store.read(key);
        if (job === undefined) return undefined;
        if (listener === undefined || isEnded(job.value)) return await withResponse(deps, job);
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

async function withResponse(deps: EndDeps, job: Stored<Job>): Promise<EndedJob> {
  const { value } = job;
  if (!isEnded(value)) return { job, response: undefined };
  deps.running.endedElsewhere(value);
  if (!value.has_response) return { job, response: undefined };
  const response = await deps.store.readResponse(job.value);
  return response === undefined ? await lookFor(deps, job.value) : { job, response };
}

/** The second of two reads did not find the response that the first one told of: they may be of two replicas. */
async function lookFor({ store, clock }: EndDeps, key: JobKey): Promise<EndedJob> {
  let pauseMs = FIRST_LOOK_MS;
  for (let looks = 1; ; looks++) {
    const seen = await store.readWithResponse(key);
    if (seen !== undefined && showsEnd(seen)) return seen;
    if (looks >= MAX_RESPONSE_LOOKS)
      throw new StoreUnavailable(`${key.job_id} has ended, and its response cannot be read yet`);
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
    pauseMs *= 2;
  }
}

/**
 * Whether a job and its response, read of one moment, show how a job that has ended is: end and response were stored in
 * one batch, so where the end is seen without the response, that was erased or has lapsed. Before the end it is only a
 * replica that lags.
 */
export function showsEnd({ job }: EndedJob): boolean {
  return isEnded(job.value);
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
