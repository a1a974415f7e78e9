import { app, type InvocationContext } from "@azure/functions";
import { NUDGES_QUEUE, nudgeOf } from "../shared/azure/service-bus-nudges.ts";
import { type DeadLetterDeps, settleDeadLetter } from "../shared/job/dead-letter.ts";
import { logOf } from "./log.ts";

/** Takes nudges from the dead-letter queue and settles each from its job's own record. */
export function registerDeadLetter(deps: Omit<DeadLetterDeps, "log">): void {
  app.serviceBusQueue("dead-letter", {
    queueName: `${NUDGES_QUEUE}/$deadletterqueue`,
    connection: "SERVICEBUS",
    handler: async (message, context) => {
      const letter = {
        message_id: metadata(context, "messageId") ?? context.invocationId,
        nudge: nudgeOf(message) ?? null,
        reason: metadata(context, "deadLetterReason") ?? "unknown",
        description: metadata(context, "deadLetterErrorDescription") ?? "",
        at_ms: deps.clock.now(),
      };
      await settleDeadLetter({ ...deps, log: logOf(context) }, letter);
    },
  });
}

function metadata(context: InvocationContext, name: string): string | undefined {
  const value = context.triggerMetadata?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
