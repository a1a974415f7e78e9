import { app } from "@azure/functions";
import { BATCHES_QUEUE, turnOf } from "../shared/azure/service-bus/batch-turns.ts";
import { takeTurn } from "../shared/batch/turn.ts";
import type { TurnDeps } from "../shared/batch/turn-state.ts";
import type { Service } from "../shared/service.ts";
import { logOf } from "./log.ts";

/** A batch goes on in the invocations of its own messages. */
export function registerTakeBatchTurn(
  deps: Omit<TurnDeps, "log">,
  { invocation }: Pick<Service, "invocation">,
): void {
  app.serviceBusQueue("take-batch-turn", {
    queueName: BATCHES_QUEUE,
    connection: "SERVICEBUS",
    handler: async (message, context) => {
      const turn = turnOf(message);
      const log = logOf(context);
      if (turn === undefined) log.error("turn_unreadable", {});
      else await invocation(() => takeTurn({ ...deps, log }, turn));
    },
  });
}
