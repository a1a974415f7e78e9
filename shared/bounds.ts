/**
 * Numbers that come from outside (a lab, a message, a clock, a stored item) are believed within bounds only. What is no
 * finite number of its range counts as not said.
 */

/** The last moment that a Date knows, Unix ms. */
export const MAX_TIME_MS = 8.64e15;

/** The number, where it is a finite one from `least` to `most`. */
export function numberIn(value: unknown, least: number, most: number): number | undefined {
  return typeof value === "number" && value >= least && value <= most ? value : undefined;
}

/** The whole number, where it is one from `least` to `most`. */
export function wholeIn(value: unknown, least: number, most: number): number | undefined {
  return Number.isInteger(value) ? numberIn(value, least, most) : undefined;
}

/** The nearest number from `least` to `most`; `least` for NaN. */
export function clamped(value: number, least: number, most: number): number {
  return value > least ? Math.min(value, most) : least;
}
