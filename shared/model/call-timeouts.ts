import type { Clock } from "../clock.ts";

/** Why a call is given up, as the reason of its signal. */
export const CALL_TIMEOUT = "call_timeout";
/** The same by the job's own limit, which says nothing of the deployment. */
export const JOB_TIMEOUT = "job_timeout";
export const IDLE_TIMEOUT = "idle_timeout";

/** Calls `run` once nothing was heard for so long. The function returned stops that. */
export function onSilence(
  clock: Pick<Clock, "monotonic" | "after">,
  ms: number,
  heardAt: () => number,
  run: () => void,
): () => void {
  let cancel: () => void;
  const look = () => {
    const leftMs = heardAt() + ms - clock.monotonic();
    if (leftMs <= 0) run();
    else cancel = clock.after(leftMs, look);
  };
  cancel = clock.after(ms, look);
  return () => cancel();
}
