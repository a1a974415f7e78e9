import type { InvocationContext } from "@azure/functions";
import type { Log, LogFields } from "../shared/log.ts";

type Level = "information" | "warning" | "error";

let instance: string | null = null;

/** Names this process in every line from now on. */
export function logAs(name: string): void {
  instance = name;
}

/** One flat JSON object, which says by itself what hosts would say around it: they differ. */
function lineOf(level: Level, event: string, requestId: string | undefined, fields: LogFields = {}): string {
  const { job_id: job, ...rest } = fields;
  const time = new Date().toISOString();
  return JSON.stringify({ time, level, instance, event, job, request_id: requestId, ...rest });
}

/** The log of what happens outside any invocation: the worker passes its standard output to the host's log. */
export const processLog: Log = {
  info: (event, fields) => console.info(lineOf("information", event, undefined, fields)),
  warn: (event, fields) => console.warn(lineOf("warning", event, undefined, fields)),
  error: (event, fields) => console.error(lineOf("error", event, undefined, fields)),
};

/** Log lines through the host, so that each carries its invocation. */
export function logOf(context: InvocationContext): Log {
  const { invocationId } = context;
  return {
    info: (event, fields) => context.info(lineOf("information", event, invocationId, fields)),
    warn: (event, fields) => context.warn(lineOf("warning", event, invocationId, fields)),
    error: (event, fields) => context.error(lineOf("error", event, invocationId, fields)),
  };
}
