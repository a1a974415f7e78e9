import { app } from "@azure/functions";
import { NUDGES_QUEUE, nudgeOf } from "../shared/azure/service-bus-nudges.ts";
import { type RunDeps, runJob } from "../shared/job/run.ts";
import { logOf } from "./log.ts";

/** The worker: a nudge leads to at most one attempt at a time, until its job waits or has ended. */
export function registerRunJob(
  deps: Omit<RunDeps, "log"> & {
    /** Resolves once it is known what operators have switched off. */
    readonly ready: () => Promise<void>;
  },
): void {
  app.serviceBusQueue("run-job", {
    queueName: NUDGES_QUEUE,
    connection: "SERVICEBUS",
    handler: async (message, context) => {
      const nudge = nudgeOf(message);
      // Thrown, so that it ends in the dead-letter queue, where an operator sees it.
      if (nudge === undefined) throw new TypeError("the message is not a nudge of a known version");
      await deps.ready();
      await runJob({ ...deps, log: logOf(context) }, nudge);
    },
  });
}
