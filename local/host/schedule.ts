import { Cron } from "croner";

/** A timer's schedule is not NCRONTAB; the message names function and schedule. */
export class ScheduleInvalid extends Error {
  override readonly name = "ScheduleInvalid";
}

export interface Schedule {
  /** The first occurrence after `afterMs`, Unix ms; undefined: never again. */
  next(afterMs: number): number | undefined;
}

/**
 * NCRONTAB as the timer trigger takes it: six fields from seconds to day of week (or five, from minutes), in
 * `timezone`. Unlike in crontab, a restricted day of month and a restricted day of week must both match.
 */
export function parseSchedule(functionName: string, text: string, timezone: string): Schedule {
  const fields = text.trim().split(/\s+/).length;
  let cron: Cron;
  try {
    cron = new Cron(fields === 5 ? `0 ${text}` : text, {
      mode: "6-part",
      timezone,
      domAndDow: true,
      paused: true,
    });
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ScheduleInvalid(`Function "${functionName}": the schedule "${text}" is not NCRONTAB (${why}).`);
  }
  return { next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() };
}
