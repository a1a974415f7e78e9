/** Time as the app sees it: handed in, so that tests turn it by hand. */
export interface Clock {
  /** Unix time, ms; may jump. */
  now(): number;
  /** Milliseconds that never go back, from an arbitrary start; only differences mean anything. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`; the function returned cancels it. Does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

/** setTimeout fires at once for a longer delay: a deadline may be a year away. */
const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number) => {
      const stepMs = Math.min(leftMs, MAX_TIMER_MS);
      timer = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : run()), stepMs);
      timer.unref();
    };
    // Node warns of a negative delay.
    wait(Math.max(delayMs, 0));
    return () => clearTimeout(timer);
  },
};
