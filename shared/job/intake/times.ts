/** When a job may start and when it must have ended, as a client asks for it; null: it says nothing. Unix ms. */
export interface AskedTimes {
  readonly notBeforeMs: number | null;
  readonly deadlineMs: number | null;
}

export interface TimeFault {
  readonly about: "not_before" | "deadline";
  readonly message: string;
}

/** What is wrong with the times of a submit at `nowMs`. Each door names the place in its own request. */
export function timeFaults(times: AskedTimes, nowMs: number, maxDeadlineSeconds: number): TimeFault[] {
  const { notBeforeMs, deadlineMs } = times;
  const latestMs = nowMs + maxDeadlineSeconds * 1000;
  const faults: TimeFault[] = [];
  if (deadlineMs !== null && deadlineMs <= nowMs)
    faults.push({ about: "deadline", message: "is in the past" });
  if (deadlineMs !== null && deadlineMs > latestMs)
    faults.push({ about: "deadline", message: `is over ${maxDeadlineSeconds} seconds from now` });
  if (notBeforeMs !== null && notBeforeMs >= (deadlineMs ?? latestMs)) {
    const limit = deadlineMs === null ? "the latest deadline there can be" : "the deadline";
    faults.push({ about: "not_before", message: `is not before ${limit}` });
  }
  return faults;
}

/** The deadline of a job that names none: it counts from when the job may start, as far as the latest one allows. */
export function defaultDeadlineMs(
  notBeforeMs: number | null,
  nowMs: number,
  settings: { readonly defaultDeadlineSeconds: number; readonly maxDeadlineSeconds: number },
): number {
  const fromStartMs = Math.max(nowMs, notBeforeMs ?? 0) + settings.defaultDeadlineSeconds * 1000;
  return Math.min(fromStartMs, nowMs + settings.maxDeadlineSeconds * 1000);
}
