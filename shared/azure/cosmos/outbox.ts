import type { OperationInput } from "@azure/cosmos";
import type { OutboxItem } from "../../job/ending/outbox.ts";
import type { JobKey } from "../../store.ts";
import { TURN_GRACE_MS } from "../../webhook/ports.ts";
import { ITEMS, outboxPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** Events and their deliveries are kept for so long. */
const KEPT_SECONDS = 30 * 86_400;

/** `ttl` of what belongs to an event, written now: it counts from the write. */
export const keptSeconds = (atMs: number, nowMs: number): number =>
  Math.max(1, KEPT_SECONDS - Math.floor((nowMs - atMs) / 1000));

/** An event, as an operation of the batch that makes it one. */
export function outboxWrite(
  jobs: StoredItems,
  { tenant_id, job_id }: JobKey,
  item: OutboxItem,
  nowMs: number,
): OperationInput {
  return jobs.writing(ITEMS.outbox, outboxPlace({ tenant_id, job_id }, item), {
    ...{ tenant_id, job_id, ...item, look_at_ms: nowMs + TURN_GRACE_MS },
    ttl: keptSeconds(item.at_ms, nowMs),
  });
}
