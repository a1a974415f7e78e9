import type { InvocationContext } from "@azure/functions";
import type { Log, LogFields } from "../shared/log.ts";

/** Log lines through the host, so that each carries its invocation; one JSON object a line. */
export function logOf(context: InvocationContext): Log {
  const line = (event: string, fields: LogFields = {}) => JSON.stringify({ event, ...fields });
  return {
    info: (event, fields) => context.info(line(event, fields)),
    warn: (event, fields) => context.warn(line(event, fields)),
    error: (event, fields) => context.error(line(event, fields)),
  };
}
