import type { Clock } from "./clock.ts";

/** A copy of what changes elsewhere. */
export interface FreshCopy {
  /**
   * Resolves once the copy is no older than FRESH_MS was when it was asked for, or a look has just failed. Rejects with
   * that failure where the last good look is too long ago to be believed.
   */
  fresh(): Promise<void>;
  /** Reads it now, for whoever has just changed it; never rejects. */
  look(): Promise<void>;
}

/** With a look's own time it keeps the promise: effective on all instances within 5 s. */
export const FRESH_MS = 2_000;

interface Moment {
  readonly ms: number;
  readonly at: number;
}
const NEVER: Moment = { ms: Number.NEGATIVE_INFINITY, at: Number.NEGATIVE_INFINITY };

/**
 * Looks again where the copy may be old: a process may have been frozen since the last look. What counts is when a look
 * began that has ended, for its answer may be as old as that.
 * @param deps.believedMs for how long the copy is believed while looks fail
 */
export function freshCopy(deps: {
  readonly read: () => Promise<void>;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly believedMs: number;
}): FreshCopy {
  const { clock } = deps;
  /** When the last look began that went well, and that ended at all. */
  let good = NEVER;
  let tried = NEVER;
  let failure: unknown;
  let reading: Promise<void> | undefined;

  const now = (): Moment => ({ ms: clock.now(), at: clock.monotonic() });
  // Either clock may have stood still with the process.
  const between = (from: Moment, to: Moment) => Math.max(to.ms - from.ms, to.at - from.at);
  const read = async () => {
    const began = now();
    try {
      await deps.read();
      good = began;
    } catch (thrown) {
      failure = thrown;
    } finally {
      tried = began;
    }
  };
  /** One at a time, shared by all who want one. */
  const once = (): Promise<void> => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  return {
    async fresh() {
      const asked = now();
      // A copy that is of no use any more is tried for by everybody who asks: the store may be back at any moment.
      const isOld = () => between(tried, asked) > (between(good, asked) > deps.believedMs ? 0 : FRESH_MS);
      while (isOld()) await once();
      if (between(good, asked) > deps.believedMs) throw failure;
    },
    async look() {
      // One that is under way may have begun before the change that is looked for.
      await reading;
      await once();
    },
  };
}
