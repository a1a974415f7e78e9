import { app } from "@azure/functions";
import { DELIVERIES_QUEUE, deliveryNudgeOf } from "../shared/azure/service-bus/deliveries.ts";
import type { Log } from "../shared/log.ts";
import type { Service } from "../shared/service.ts";
import type { DeliveryNudge } from "../shared/webhook/ports.ts";
import { logOf } from "./log.ts";

/**
 * Sends events on to webhook endpoints. What could not be stored comes again with its message; what Service Bus gives up
 * the sweeper nudges again.
 */
export function registerDeliver(deps: {
  readonly invocation: Service["invocation"];
  readonly deliver: (nudge: DeliveryNudge, log: Log) => Promise<void>;
}): void {
  app.serviceBusQueue("deliver", {
    queueName: DELIVERIES_QUEUE,
    connection: "SERVICEBUS",
    handler: async (message, context) => {
      const nudge = deliveryNudgeOf(message);
      // Thrown, so that it ends in the dead-letter queue, where an operator sees it.
      if (nudge === undefined) throw new TypeError("the message is no delivery of a known version");
      await deps.invocation(() => deps.deliver(nudge, logOf(context)));
    },
  });
}
