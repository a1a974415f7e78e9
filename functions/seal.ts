import { app } from "@azure/functions";
import type { Log } from "../shared/log.ts";
import { logOf } from "./log.ts";

/**
 * The timer that seals the audit trails of each day that is over. It looks every hour, so that a day whose seal failed
 * does not wait for the next; an hour with nothing to seal costs one read.
 */
export function registerSeal(deps: { seal: (log: Log) => Promise<unknown> }): void {
  app.timer("seal", {
    schedule: "0 10 * * * *",
    handler: async (_timer, context) => {
      await deps.seal(logOf(context));
    },
  });
}
