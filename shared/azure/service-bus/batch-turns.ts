import type { ServiceBusClient } from "@azure/service-bus";
import type { BatchTurn, BatchTurns } from "../../batch/ports.ts";
import { wholeIn } from "../../bounds.ts";
import { ServiceBusNudges } from "./nudges.ts";

/** As infra/resources.json names it. */
export const BATCHES_QUEUE = "batches";

export class ServiceBusBatchTurns implements BatchTurns {
  readonly #queue: ServiceBusNudges;

  constructor(open: () => ServiceBusClient) {
    this.#queue = new ServiceBusNudges(open, BATCHES_QUEUE);
  }

  send(turn: BatchTurn, atMs?: number): Promise<void> {
    return this.#queue.send(turn, atMs === undefined ? {} : { atMs });
  }
}

/** Undefined: the message is none. */
export function turnOf(body: unknown): BatchTurn | undefined {
  const { v, tenant_id, batch_id, turn } = (body ?? {}) as Partial<Record<keyof BatchTurn, unknown>>;
  const number = wholeIn(turn, 1, Number.MAX_SAFE_INTEGER);
  if (typeof v !== "number" || typeof tenant_id !== "string" || typeof batch_id !== "string")
    return undefined;
  return number === undefined ? undefined : { v, tenant_id, batch_id, turn: number };
}
