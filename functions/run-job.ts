import { app, type ServiceBusQueueHandler } from "@azure/functions";
import { NUDGES_QUEUE, nudgeOf } from "../shared/azure/service-bus/nudges.ts";
import { isDispatch, RELEASES_QUEUE } from "../shared/azure/service-bus/releases.ts";
import { runJob } from "../shared/job/run/run.ts";
import type { RunDeps } from "../shared/job/run/run-deps.ts";
import type { Service } from "../shared/service.ts";
import { logOf } from "./log.ts";

/** A nudge says in its body all that there is to say. */
export const RUN_JOB = { fresh: "run-job", released: "run-released-job" } as const;

/** The worker: a nudge leads to at most one attempt at a time, until its job waits or has ended. */
export function registerRunJob(
  deps: Omit<RunDeps, "log"> & {
    readonly invocation: Service["invocation"];
    readonly dispatcher: Pick<Service["dispatcher"], "run">;
  },
): void {
  const handler: ServiceBusQueueHandler = async (message, context) => {
    const nudge = nudgeOf(message);
    // Thrown, so that it ends in the dead-letter queue, where an operator sees it.
    if (nudge === undefined) throw new TypeError("the message is not a nudge of a known version");
    await deps.invocation(() => runJob({ ...deps, log: logOf(context) }, nudge));
  };
  const released: ServiceBusQueueHandler = (message, context) =>
    isDispatch(message) ? deps.invocation(() => deps.dispatcher.run()) : handler(message, context);
  app.serviceBusQueue(RUN_JOB.fresh, { queueName: NUDGES_QUEUE, connection: "SERVICEBUS", handler });
  // Jobs whose turn has come: they do not queue behind new ones.
  app.serviceBusQueue(RUN_JOB.released, {
    queueName: RELEASES_QUEUE,
    connection: "SERVICEBUS",
    handler: released,
  });
}
