import { app, type InvocationContext } from "@azure/functions";
import { NUDGES_QUEUE, nudgeOf } from "../shared/azure/service-bus-nudges.ts";
import { type DeadLetterDeps, deadLetterId, settleDeadLetter } from "../shared/job/dead-letter.ts";
import { MAX_DEAD_LETTER_TEXT_CHARS } from "../shared/limits.ts";
import { logOf } from "./log.ts";

/** Takes nudges from the dead-letter queue and settles each from its job's own record. */
export function registerDeadLetter(deps: Omit<DeadLetterDeps, "log">): void {
  app.serviceBusQueue("dead-letter", {
    queueName: `${NUDGES_QUEUE}/$deadletterqueue`,
    connection: "SERVICEBUS",
    handler: async (message, context) => {
      const text = (name: string) => metadata(context, name)?.slice(0, MAX_DEAD_LETTER_TEXT_CHARS);
      const messageId = text("messageId") ?? "";
      const letter = {
        id: deadLetterId(messageId, context.triggerMetadata?.sequenceNumber ?? context.invocationId),
        message_id: messageId,
        nudge: nudgeOf(message) ?? null,
        reason: text("deadLetterReason") ?? "unknown",
        description: text("deadLetterErrorDescription") ?? "",
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
