import type { Clock } from "../clock.ts";

/** Chunks that were stored, and that nothing has committed. */
export interface UncommittedContent {
  /** Removes what is due at `nowMs`, so many at most. @returns how many. @throws StoreUnavailable */
  remove(nowMs: number, limit: number): Promise<number>;
}

/** What is uncommitted for an hour need not be looked for every few seconds. */
const LOOK_EVERY_MS = 60_000;
const MOST_AT_ONCE = 100;

/** A part of the sweep: removes what crashes have left behind. */
export function uncommittedSweep(
  content: UncommittedContent,
  clock: Pick<Clock, "now" | "monotonic">,
): () => Promise<void> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.monotonic() - lookedAt < LOOK_EVERY_MS) return;
    const removed = await content.remove(clock.now(), MOST_AT_ONCE);
    if (removed < MOST_AT_ONCE) lookedAt = clock.monotonic();
  };
}
