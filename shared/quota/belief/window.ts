import type { LimitHeaders } from "../../model/quota-headers.ts";
import { type Belief, DEFAULT_WINDOW_MS, since, uncounted, type Window } from "./belief.ts";

/** A call, as far as its answer tells of what was left. */
export interface Mark {
  /** When it was let go, and what had been spent by then, itself included. */
  readonly at_ms: number;
  readonly spent: number;
  /** What was estimated for it; where it was refused, the server has not counted that. */
  readonly amount: number;
  readonly refused: boolean;
  /** When it reached the deployment: what its answer's headers say is of that moment. */
  readonly arrived_ms: number;
  /** Whether that is known, or reckoned from how long calls usually are on their way. */
  readonly exact: boolean;
  /** All that was let go with it: in what order that arrived is not known. */
  readonly burst: number;
  /** Tokens are estimates, requests are not. */
  readonly estimated: boolean;
}

/** How many calls more than is expected say something. */
export const EVIDENCE_CALLS = 3;

/** Headers name whole seconds, rounded up. */
const HEADER_STEP_MS = 1_000;
/** In a window nothing flows back: so many calls, let go this much later than one that saw less, show that it is none. */
const RISEN_CALLS = 3;
const SURELY_LATER_MS = 500;
/** Kept back at first of calls under way, whose estimates may be too low. */
const FIRST_DOUBT = 0.1;
const LEAST_DOUBT = 0.005;
const MOST_FACTOR = 3;
/** So large a share of a window must have come back quietly before the factor is learnt from it. */
const LEARNING_SHARE = 0.3;

type Running = NonNullable<Window["window"]>;

/** Turned out to be a window, by what an answer told. @param told what is left of it, and of how much in all */
export function windowOf(
  b: Belief,
  told: { readonly level: number; readonly capacity: number },
  { left, reset_ms }: Pick<LimitHeaders, "left" | "reset_ms">,
  mark: Mark,
): Window {
  const { ceiling_per_second, per_second, window_ms, at_ms, spent } = b;
  const { level, capacity } = told;
  const pending = since(b, mark);
  const window = {
    ...{ began_ms: 0, began_spent: spent - (capacity - level), least_left: left, least_ms: mark.at_ms },
    ...{ ends_ms: endsMs(b, reset_ms, mark), ends_exact: mark.exact, risen: 0 },
  };
  return {
    ...{ shape: "window", ceiling_per_second, per_second, window_ms, at_ms, spent, capacity, level },
    ...{ factor: 1, doubt: mark.estimated ? FIRST_DOUBT : 0, pending, unsure: pending, window },
  };
}

function endsMs({ window_ms }: Belief, resetMs: number | null, mark: Mark): number {
  return mark.arrived_ms + (resetMs ?? window_ms ?? DEFAULT_WINDOW_MS);
}

/**
 * Calls of a burst overtake each other, so what one of them saw left says little of the rest. Once all have come back
 * the least that was seen is what is left, and the whole burst tells how the server counts. `none`: it is no window.
 */
export function inWindow(b: Window, { left, reset_ms }: LimitHeaders, mark: Mark): Window | "none" {
  const ends = endsMs(b, reset_ms, mark);
  const amount = mark.refused ? 0 : mark.amount;
  // Another window is over, or told of: that says nothing of this one.
  if (b.window === null || mark.at_ms < b.window.began_ms || ends <= b.at_ms) return b;
  if (isOfTheOneBefore(b.window, reset_ms, mark)) return uncounted(b, amount);
  const before = b.window.least_left ?? Infinity;
  const rose = left > before + EVIDENCE_CALLS * amount && mark.at_ms > b.window.least_ms + SURELY_LATER_MS;
  const risen = b.window.risen + (rose ? 1 : 0);
  if (risen >= RISEN_CALLS) return "none";
  const least_left = Math.min(left, before);
  const least_ms = left < before ? mark.at_ms : b.window.least_ms;
  const window = { ...b.window, least_left, least_ms, risen, ...endOf(b.window, ends, mark.exact) };
  const pending = Math.max(0, b.pending - amount);
  const next = { ...b, window, pending, level: Math.min(b.level, least_left) };
  return pending > 0 ? next : quiet(next, least_left);
}

/**
 * A call that came a moment too early met the end of the window before, which headers round up to a second: taken for
 * this one's, all of it would be sent again then. This one has its whole length before it.
 */
function isOfTheOneBefore(window: Running, resetMs: number | null, mark: Mark): boolean {
  const sinceMs = mark.arrived_ms - window.began_ms;
  return resetMs !== null && resetMs <= HEADER_STEP_MS && sinceMs < HEADER_STEP_MS;
}

/** The earliest end that a call tells of: headers round up. Of calls whose arrival is reckoned only, the latest. */
export function endOf(
  window: Running,
  ends: number,
  exact: boolean,
): Pick<Running, "ends_ms" | "ends_exact"> {
  const { ends_ms, ends_exact } = window;
  if (exact) return { ends_ms: ends_exact ? Math.min(ends_ms, ends) : ends, ends_exact: true };
  return { ends_ms: ends_exact ? ends_ms : Math.min(ends_ms, ends), ends_exact };
}

/** All calls have come back: what is left is sure, and all of them together tell how the server counts. */
function quiet(b: Window, left: number): Window {
  const sure = { ...b, level: left, unsure: 0 };
  const estimated = b.spent - (b.window?.began_spent ?? b.spent);
  const counted = b.capacity - left;
  if (b.doubt === 0 || estimated * b.factor < b.capacity * LEARNING_SHARE || counted <= 0) return sure;
  const factor = Math.min(Math.max(counted / estimated, 1 / MOST_FACTOR), MOST_FACTOR);
  const change = Math.abs(factor / b.factor - 1);
  return { ...sure, factor, doubt: Math.max(LEAST_DOUBT, Math.min(b.doubt, change)) };
}
