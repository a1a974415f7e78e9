/** Time as the app sees it: handed in, so that tests turn it by hand. */
export interface Clock {
  /** Unix time, ms; may jump. */
  now(): number;
  /** Milliseconds that never go back, from an arbitrary start; only differences mean anything. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`; the function returned cancels it. Does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
