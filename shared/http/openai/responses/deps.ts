import type { EventLogs } from "../../../events/event-logs.ts";
import type { CallDeps } from "../calls.ts";

export interface ResponseDeps extends CallDeps {
  readonly events: Pick<EventLogs, "follow" | "erase">;
}
