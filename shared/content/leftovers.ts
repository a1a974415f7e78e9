import type { Clock } from "../clock.ts";

/** What was stored and that nothing has committed, or that has had its time. */
export interface Leftovers {
  /** Removes what is due at `nowMs`, so many at most. @returns how many. @throws StoreUnavailable */
  removeDue(nowMs: number, limit: number): Promise<number>;
}

/** What is uncommitted for an hour need not be looked for every few seconds. */
const LOOK_EVERY_MS = 60_000;
const MOST_AT_ONCE = 100;

/** A part of the sweep: removes what crashes have left behind. */
export function leftoversSweep(
  content: Leftovers,
  clock: Pick<Clock, "now" | "monotonic">,
): () => Promise<void> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.monotonic() - lookedAt < LOOK_EVERY_MS) return;
    const removed = await content.removeDue(clock.now(), MOST_AT_ONCE);
    if (removed < MOST_AT_ONCE) lookedAt = clock.monotonic();
  };
}
