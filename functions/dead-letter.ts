import { app, type InvocationContext } from "@azure/functions";
import { BATCHES_QUEUE, turnOf } from "../shared/azure/service-bus/batch-turns.ts";
import { DELIVERIES_QUEUE, deliveryNudgeOf } from "../shared/azure/service-bus/deliveries.ts";
import { NUDGES_QUEUE, nudgeOf } from "../shared/azure/service-bus/nudges.ts";
import { isDispatch, RELEASES_QUEUE } from "../shared/azure/service-bus/releases.ts";
import {
  type DeadLetterDeps,
  deadLetterId,
  Repeats,
  settleDeadLetter,
} from "../shared/job/letters/dead-letter.ts";
import type { DeadLetter } from "../shared/job/ports.ts";
import { MAX_DEAD_LETTER_TEXT_CHARS } from "../shared/limits.ts";
import type { Service } from "../shared/service.ts";
import { logOf } from "./log.ts";

/** Takes nudges from the dead-letter queues and settles each from its job's own record. */
export function registerDeadLetter(deps: Deps): void {
  const ofJob: Reader = (body) => ({ nudge: nudgeOf(body) ?? null });
  register("dead-letter", NUDGES_QUEUE, ofJob, deps);
  register("released-dead-letter", RELEASES_QUEUE, ofJob, deps);
  const ofDelivery: Reader = (body) => ({ nudge: deliveryNudgeOf(body) ?? null, queue: "deliveries" });
  register("delivery-dead-letter", DELIVERIES_QUEUE, ofDelivery, deps);
  register(
    "batch-dead-letter",
    BATCHES_QUEUE,
    (body) => ({ nudge: batchNudgeOf(body), queue: "batches" }),
    deps,
  );
}

/** What a message of one queue says. */
type Reader = (body: unknown) => Pick<DeadLetter, "nudge" | "queue">;

/** A batch stands where jobs have their id. */
function batchNudgeOf(body: unknown): DeadLetter["nudge"] {
  const read = turnOf(body);
  if (read === undefined) return null;
  const { batch_id: job_id, ...turn } = read;
  return { ...turn, job_id };
}

type Deps = Omit<DeadLetterDeps, "log" | "repeats"> & {
  readonly dispatcher: Pick<Service["dispatcher"], "tend">;
};

/** A letter that could not be settled comes again at once, without end: a store that is away is not asked faster than so. */
const PAUSE_MS = 5_000;

function register(name: string, queue: string, read: Reader, deps: Deps): void {
  const repeats = new Repeats();
  app.serviceBusQueue(name, {
    queueName: `${queue}/$deadletterqueue`,
    connection: "SERVICEBUS",
    handler: async (message, context) => {
      // It concerns no job: where jobs wait, another message is sent.
      if (isDispatch(message)) return deps.dispatcher.tend();
      const text = (name: string) => metadata(context, name)?.slice(0, MAX_DEAD_LETTER_TEXT_CHARS);
      const messageId = text("messageId") ?? "";
      // Each queue counts for itself.
      const from = queue === NUDGES_QUEUE ? messageId : `${queue}/${messageId}`;
      const letter = {
        id: deadLetterId(from, context.triggerMetadata?.sequenceNumber ?? context.invocationId),
        message_id: messageId,
        ...read(message),
        reason: why(context, "deadLetterReason") ?? "unknown",
        description: why(context, "deadLetterErrorDescription") ?? "",
        at_ms: deps.clock.now(),
      };
      try {
        await settleDeadLetter({ ...deps, repeats, log: logOf(context) }, letter);
      } catch (thrown) {
        await new Promise<void>((resolve) => deps.clock.after(PAUSE_MS, resolve));
        throw thrown;
      }
    },
  });
}

/** The broker says why among the message's properties; the library has begun their names with a small letter. */
function why(context: InvocationContext, name: string): string | undefined {
  const properties = context.triggerMetadata?.applicationProperties as Record<string, unknown> | undefined;
  const value = properties?.[name];
  return typeof value === "string" && value !== "" ? value.slice(0, MAX_DEAD_LETTER_TEXT_CHARS) : undefined;
}

function metadata(context: InvocationContext, name: string): string | undefined {
  const value = context.triggerMetadata?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
