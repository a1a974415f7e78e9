/** What a screen shows of something that is read again and again. */
export interface Polled<T> {
  /** Of the last good answer; undefined: there was none yet. */
  readonly value: T | undefined;
  readonly etag: string | undefined;
  /** When that answer came, Unix ms. */
  readonly atMs: number | undefined;
  /** Why the newest question had no good answer. */
  readonly problem: Error | undefined;
  /** How many questions in a row had none. */
  readonly failures: number;
}

export const NOTHING_YET: Polled<never> = {
  value: undefined,
  etag: undefined,
  atMs: undefined,
  problem: undefined,
  failures: 0,
};

const MAX_WAIT_MS = 30_000;

/** @param value undefined: unchanged */
export function answered<T>(
  before: Polled<T>,
  value: T | undefined,
  etag: string | undefined,
  atMs: number,
): Polled<T> {
  return { value: value ?? before.value, etag, atMs, problem: undefined, failures: 0 };
}

/** What was known stays to be seen, as something that is out of date. */
export function failed<T>(before: Polled<T>, problem: Error): Polled<T> {
  return { ...before, problem, failures: before.failures + 1 };
}

/**
 * When to ask again, ms from now: as often as wanted while all is well, ever more rarely while it is not.
 * @param retryAfterSeconds as the service asked for
 */
export function waitMs(
  everyMs: number,
  { failures, problem }: Pick<Polled<unknown>, "failures" | "problem">,
): number {
  const asked = (problem as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds ?? 0;
  const backOff = Math.min(MAX_WAIT_MS, everyMs * 2 ** failures);
  return Math.max(asked * 1000, failures === 0 ? everyMs : backOff);
}

export type View = "loading" | "failed" | "stale" | "current";

/** Which of the states of a screen this is. */
export function viewOf({ value, problem }: Polled<unknown>): View {
  if (value === undefined) return problem === undefined ? "loading" : "failed";
  return problem === undefined ? "current" : "stale";
}
