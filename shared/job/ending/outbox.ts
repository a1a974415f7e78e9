import type { TerminalStatus } from "../../status.ts";

/**
 * Something that is to be told of a job's end, stored in the very batch that ends it and told later by whoever finds
 * it. Nothing makes such items yet.
 */
export interface OutboxItem {
  readonly event: `job.${TerminalStatus}`;
  readonly at_ms: number;
}
