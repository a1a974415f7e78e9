import type { Clock } from "../../clock.ts";
import { MAX_RESPONSE_LOOKS } from "../../limits.ts";
import { type JobKey, type Stored, StoreUnavailable } from "../../store.ts";
import { isEnded, type Job } from "../job.ts";
import type { JobStore } from "../ports.ts";
import type { EndedJob, RunningJobs } from "../running-jobs.ts";
import { ageMs, nextLookMs, type UsualDurations } from "./look-times.ts";

/** Where such jobs have lately all ended in this process, a job accepted here is first looked for after this long. */
const HEARD_OF_MS = 1_000;

export interface EndDeps {
  readonly store: JobStore;
  readonly running: RunningJobs;
  readonly clock: Clock;
  readonly durations: UsualDurations;
}

/** Between two looks for a response at replicas that lag; twice as long each time. */
const FIRST_LOOK_MS = 50;

const NEVER = new AbortController().signal;

/** A job, and its model where that is known: when to look depends on it. */
type Awaited = JobKey & Partial<Pick<Job, "model">>;

/**
 * The job and its response as they are now, or as they are once it has ended, if that happens within `waitSeconds` and
 * before `signal` is aborted. Undefined when there is no such job.
 * @throws StoreUnavailable, also where the job is known to have ended and its response is not to be had yet
 */
export async function awaitEnd(
  deps: EndDeps,
  job: Awaited,
  waitSeconds: number,
  signal = NEVER,
): Promise<EndedJob | undefined> {
  const found = await lookUntilEnd(deps, job, waitSeconds, signal);
  const value = found?.job.value;
  if (waitSeconds > 0 && value !== undefined && isEnded(value)) deps.durations.ended(value);
  return found;
}

async function lookUntilEnd(
  deps: EndDeps,
  { tenant_id, job_id, model }: Awaited,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<EndedJob | undefined> {
  const { store, running, clock, durations } = deps;
  const key = { tenant_id, job_id };
  const begun = clock.monotonic();
  const waitedMs = () => clock.monotonic() - begun;
  // Where the process is told to end the client asks another one.
  const leftMs = () => (running.isEnding || signal.aborted ? 0 : waitSeconds * 1000 - waitedMs());
  // A job accepted here is there; what this process stores itself need not be read either.
  let isKnown = waitSeconds > 0 && running.isLive(key);
  let lookInMs = nextLookMs(0, durations.of(model));
  if (isKnown && running.endHere()) lookInMs = Math.max(lookInMs, HEARD_OF_MS);
  for (;;) {
    // Listening begins before the read, so that an end between the two is not missed.
    const listener = leftMs() > 0 ? new Listener(deps, job_id, signal) : undefined;
    try {
      if (!isKnown) {
        const job = await store.read(key);
        if (job === undefined) return undefined;
        if (listener === undefined || isEnded(job.value)) return await withResponse(deps, job);
        const age = Math.max(ageMs(job.value, clock.now()), waitedMs());
        lookInMs = nextLookMs(age, durations.of(job.value.model));
      }
      const ended = await listener?.heardWithin(Math.min(lookInMs, leftMs()));
      if (ended !== undefined) return ended;
      isKnown = false;
    } finally {
      listener?.stop();
    }
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

/** Hears of a job's end in this process, and that its wait is over. */
class Listener {
  readonly #clock: Clock;
  readonly #heard = Promise.withResolvers<EndedJob | undefined>();
  readonly #forget: () => void;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#heard.resolve(undefined);
  #cancelTimer: () => void = () => undefined;

  constructor({ running, clock }: Pick<EndDeps, "running" | "clock">, jobId: string, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    this.#forget = running.onEnded(jobId, this.#heard.resolve);
    signal.addEventListener("abort", this.#onAbort);
  }

  heardWithin(ms: number): Promise<EndedJob | undefined> {
    this.#cancelTimer = this.#clock.after(ms, this.#onAbort);
    return this.#heard.promise;
  }

  stop(): void {
    this.#cancelTimer();
    this.#forget();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}
