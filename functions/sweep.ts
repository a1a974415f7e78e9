import { app } from "@azure/functions";
import { runParts, type SweepParts } from "../shared/job/sweep/parts.ts";
import type { Service } from "../shared/service.ts";
import { sweepSchedule } from "../shared/settings.ts";
import { logOf } from "./log.ts";

/** The timer that finds jobs whose time has come. Timers run one at a time over all instances. */
export function registerSweep(deps: {
  sweepSeconds: number;
  parts: SweepParts;
  invocation: Service["invocation"];
}): void {
  app.timer("sweep", {
    schedule: sweepSchedule(deps.sweepSeconds),
    handler: (_timer, context) => deps.invocation(() => runParts(deps.parts, logOf(context))),
  });
}
