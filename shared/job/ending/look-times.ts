import type { Ended, Job } from "../job.ts";

/** How long jobs of a model take from when they may run to their end: their mean, and how far they are from it, ms. */
export interface Usual {
  readonly meanMs: number;
  readonly spreadMs: number;
}

/** The newest job's share: some ten jobs make the figures. */
const NEWEST = 0.2;

/** What this process has seen of jobs that it waited for. */
export class UsualDurations {
  readonly #known = new Map<string, Usual>();

  of(model: string | undefined): Usual | undefined {
    return model === undefined ? undefined : this.#known.get(model);
  }

  ended(job: Ended): void {
    const ms = Math.max(0, job.completed_at_ms - dueMs(job));
    const before = this.#known.get(job.model);
    this.#known.set(job.model, before === undefined ? { meanMs: ms, spreadMs: ms / 2 } : nearer(before, ms));
  }
}

function nearer({ meanMs, spreadMs }: Usual, ms: number): Usual {
  const off = ms - meanMs;
  return { meanMs: meanMs + off * NEWEST, spreadMs: spreadMs + (Math.abs(off) - spreadMs) * NEWEST };
}

/** For how long the job could have run by now, ms. */
export function ageMs(job: Job, nowMs: number): number {
  return Math.max(0, nowMs - dueMs(job));
}

function dueMs(job: Job): number {
  return Math.max(job.created_at_ms, job.not_before_ms ?? 0);
}

/** Between two looks, ms. The least is for jobs that take no longer than that themselves. */
const LEAST_MS = 25;
const LEAST_OF_LONG_MS = 250;
const MOST_MS = 2_000;

/**
 * When to look for a job's end, ms from now: first when such jobs end at the earliest, by what is usual, then ever more
 * rarely, in proportion to what was waited already. Each look is a read of the store.
 */
export function nextLookMs(age: number, usual: Usual | undefined): number {
  // Nothing is known yet: half as long again each time.
  if (usual === undefined)
    return between(LEAST_MS, Math.max(age / 10, Math.min(age / 2, MOST_MS / 4)), MOST_MS);
  const { meanMs, spreadMs } = usual;
  const least = between(LEAST_MS, meanMs / 4, LEAST_OF_LONG_MS);
  return Math.max(meanMs - 2 * spreadMs - age, between(least, age / 10, MOST_MS));
}

function between(least: number, ms: number, most: number): number {
  return Math.min(Math.max(ms, least), most);
}
