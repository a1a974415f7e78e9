import type { BatchTurn, BatchTurns } from "./batch/ports.ts";
import type { RedriveDeps } from "./job/letters/redrive.ts";
import type { DeliveryNudge, DeliveryQueue } from "./webhook/ports.ts";

/** How a dead letter that is no job's nudge is sent again, by its queue. */
export function resenders(to: {
  readonly deliveryQueue: DeliveryQueue;
  readonly turns: BatchTurns;
}): RedriveDeps["resend"] {
  return {
    deliveries: ({ v, tenant_id, job_id, ...rest }) => {
      // Whenever it was due: what is stored says what is left to do.
      const { event, endpoint_id } = rest as Partial<DeliveryNudge>;
      const what = { ...(event && { event }), ...(endpoint_id && { endpoint_id }) };
      return to.deliveryQueue.send({ v, tenant_id, job_id, ...what });
    },
    batches: ({ v, tenant_id, job_id: batch_id, ...rest }) =>
      to.turns.send({ v, tenant_id, batch_id, turn: (rest as Partial<BatchTurn>).turn ?? 1 }),
  };
}
