import type { InvocationContext } from "@azure/functions";
import type { Log, LogFields } from "../shared/log.ts";

/** The log of what happens outside any invocation: the worker passes its standard output to the host's log. */
export const processLog: Log = {
  info: (event, fields) => console.info(JSON.stringify({ event, ...fields })),
  warn: (event, fields) => console.warn(JSON.stringify({ event, ...fields })),
  error: (event, fields) => console.error(JSON.stringify({ event, ...fields })),
};

/** Log lines through the host, so that each carries its invocation; one JSON object a line. */
export function logOf(context: InvocationContext): Log {
  const line = (event: string, fields: LogFields = {}) => JSON.stringify({ event, ...fields });
  return {
    info: (event, fields) => context.info(line(event, fields)),
    warn: (event, fields) => context.warn(line(event, fields)),
    error: (event, fields) => context.error(line(event, fields)),
  };
}
