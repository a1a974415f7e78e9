import { app } from "@azure/functions";
import type { Log } from "../shared/log.ts";
import { sweepSchedule } from "../shared/settings.ts";
import { logOf } from "./log.ts";

/** The timer that finds jobs whose time has come. Timers run one at a time over all instances. */
export function registerSweep(deps: { sweepSeconds: number; sweep: (log: Log) => Promise<unknown> }): void {
  app.timer("sweep", {
    schedule: sweepSchedule(deps.sweepSeconds),
    handler: async (_timer, context) => {
      await deps.sweep(logOf(context));
    },
  });
}
