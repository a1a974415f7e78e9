import type { ServiceBusClient } from "@azure/service-bus";
import { MAX_TIME_MS, numberIn } from "../../bounds.ts";
import { EVENT_TYPES, type EventType } from "../../event-type.ts";
import type { DeliveryNudge, DeliveryQueue } from "../../webhook/ports.ts";
import { isId, ServiceBusNudges } from "./nudges.ts";

/** As infra/resources.json names it: whoever is slow to be called back does not hold up jobs. */
export const DELIVERIES_QUEUE = "deliveries";

export class ServiceBusDeliveries implements DeliveryQueue {
  readonly #queue: ServiceBusNudges;

  constructor(open: () => ServiceBusClient) {
    this.#queue = new ServiceBusNudges(open, DELIVERIES_QUEUE);
  }

  send(nudge: DeliveryNudge, options: { atMs?: number } = {}): Promise<void> {
    return this.#queue.send(nudge, options);
  }
}

/** What a message says, its own fields alone; undefined: it is none that this version knows. */
export function deliveryNudgeOf(body: unknown): DeliveryNudge | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { v, tenant_id, job_id, event, endpoint_id, due_ms } = body as Partial<
    Record<keyof DeliveryNudge, unknown>
  >;
  if (!isId(tenant_id) || !isId(job_id) || typeof v !== "number") return undefined;
  const isEvent = (name: unknown): name is EventType => (EVENT_TYPES as readonly unknown[]).includes(name);
  if (event !== undefined && !isEvent(event)) return undefined;
  const due = numberIn(due_ms, 0, MAX_TIME_MS);
  return {
    ...{ v, tenant_id, job_id },
    ...(event === undefined ? {} : { event }),
    ...(isId(endpoint_id) ? { endpoint_id } : {}),
    ...(due === undefined ? {} : { due_ms: due }),
  };
}
