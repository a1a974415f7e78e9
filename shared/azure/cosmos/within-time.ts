/**
 * Runs something with a signal that aborts after `timeoutMs`, and waits no longer than that: the SDK hears no signal
 * while it waits between two tries of a throttled request. Unlike AbortSignal.timeout it leaves no timer behind: at
 * hundreds of operations a second those would be thousands of timers that all fire for nothing.
 */
export function withinTime<T>(timeoutMs: number, run: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      abort.abort();
      reject(abort.signal.reason);
    }, timeoutMs);
    run(abort.signal)
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });
}
