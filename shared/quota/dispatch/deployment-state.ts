import { concurrencyOf, type Limited } from "../limited.ts";

/** What the scheduler knows of a deployment, besides its pool and its health. */
export interface State {
  served: Limited;
  /** Where only so many calls may run, those that were let go and have not ended, by job id: since when, and whether the store has said so. */
  readonly running: Map<
    string,
    { readonly tenant: string; readonly sinceMs: number; readonly isStored: boolean }
  >;
  /** By tenant, where an instance had no slot for its call. */
  readonly gaps: Map<string, { readonly gapMs: number; readonly untilMs: number }>;
  /** How many of those running another may have let go that nobody has begun yet. */
  elsewhere: number;
  /** Calls that ended lately, by job id: when. */
  readonly ended: Map<string, number>;
  /** Calls that instances may begin by themselves; undefined: nobody has counted. */
  slots: number | undefined;
  /** For the ramp: when the next call may go. */
  rampAtMs: number;
}

/** As many calls run, or may be begun by instances, as it bears. */
export function isFull({ served, running, slots = Infinity }: State): boolean {
  const concurrency = concurrencyOf(served);
  return concurrency !== undefined && running.size + slots >= concurrency;
}
