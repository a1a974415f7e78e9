import {
  DEFAULT_DUPLICATE_WINDOW_MS,
  DEFAULT_LOCK_DURATION_MS,
  DEFAULT_MAX_DELIVERY_COUNT,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";

/** A queue as it is declared; times in ms, Infinity: never. */
export interface QueueSettings {
  readonly name: string;
  readonly lockDurationMs: number;
  readonly maxDeliveryCount: number;
  readonly defaultTtlMs: number;
  readonly deadLetteringOnExpiration: boolean;
  readonly requiresDuplicateDetection: boolean;
  readonly duplicateWindowMs: number;
  readonly requiresSession: boolean;
  /** Name of the queue that gets every message sent here. */
  readonly forwardTo?: string | undefined;
  /** Name of the queue that gets what would go to the dead-letter queue. */
  readonly forwardDeadLetteredTo?: string | undefined;
  /** Bytes of one message or batch. */
  readonly maxMessageBytes: number;
}

/** A queue with Azure's defaults where nothing is said. */
export function queueSettings(
  name: string,
  changes: Partial<Omit<QueueSettings, "name">> = {},
): QueueSettings {
  return {
    name,
    lockDurationMs: DEFAULT_LOCK_DURATION_MS,
    maxDeliveryCount: DEFAULT_MAX_DELIVERY_COUNT,
    defaultTtlMs: Number.POSITIVE_INFINITY,
    deadLetteringOnExpiration: false,
    requiresDuplicateDetection: false,
    duplicateWindowMs: DEFAULT_DUPLICATE_WINDOW_MS,
    requiresSession: false,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    ...changes,
  };
}
