import type { Clock } from "../clock.ts";
import { SWEEP_PAGE_JOBS } from "../limits.ts";
import type { Announcer } from "./announce.ts";
import { TURN_GRACE_MS, type Turns } from "./ports.ts";

/** Pages of a round: the next round goes on with the rest. */
const MAX_PAGES = 5;

/**
 * The net for messages that were not sent, or were lost: whatever was to have its turn by now is nudged. Its turn is
 * moved on first, so that a round that dies costs one grace, and not a message in every round.
 */
export async function tend(deps: {
  readonly turns: Turns;
  readonly announcer: Announcer;
  readonly clock: Pick<Clock, "now">;
}): Promise<number> {
  const { turns, announcer, clock } = deps;
  let nudged = 0;
  for (let page = 0; page < MAX_PAGES; page++) {
    const nowMs = clock.now();
    const overdue = await turns.overdue(nowMs, SWEEP_PAGE_JOBS);
    const moved = await Promise.all(overdue.map((turn) => turns.moveOn(turn, nowMs + TURN_GRACE_MS)));
    for (const [at, { value }] of overdue.entries()) {
      if (moved[at] !== true) continue;
      const { id: _, ...nudge } = value;
      announcer.send(nudge);
      nudged++;
    }
    if (overdue.length < SWEEP_PAGE_JOBS) break;
  }
  await announcer.flush();
  return nudged;
}
