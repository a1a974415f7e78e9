import { configFromQueues } from "./config.ts";
import { formatDuration } from "./duration.ts";
import type { QueueSettings } from "./queue-settings.ts";

/**
 * What the official Service Bus emulator takes, by the schema it is published with; it ends with "Out of memory"
 * when a value is outside (azure-service-bus-emulator-installer#131). Azure itself allows more.
 */
const LIMITS = {
  lockDurationMs: { least: 5_000, most: 300_000, what: "LockDuration" },
  defaultTtlMs: { least: 300_000, most: 3_600_000, what: "DefaultMessageTimeToLive" },
  duplicateWindowMs: { least: 20_000, most: 300_000, what: "DuplicateDetectionHistoryTimeWindow" },
} as const;
const MAX_DELIVERY_COUNT = 10;
const MAX_QUEUES = 50;

export interface OfficialConfig {
  /** The content of Config.json. */
  readonly config: unknown;
  /** What had to be changed for that emulator, a line each. */
  readonly changes: readonly string[];
}

/** The official emulator's Config.json for these queues, with what it would not take brought within its limits. */
export function officialConfig(queues: readonly QueueSettings[]): OfficialConfig {
  if (queues.length > MAX_QUEUES) {
    throw new RangeError(
      `${queues.length} queues: the official Service Bus emulator takes ${MAX_QUEUES} at most.`,
    );
  }
  const changes: string[] = [];
  const within = queues.map((queue) => {
    const changed = { ...queue };
    for (const [key, { least, most, what }] of Object.entries(LIMITS)) {
      const name = key as keyof typeof LIMITS;
      // Whole seconds: its pattern knows no fractions.
      const value = Math.ceil(Math.min(Math.max(queue[name], least), most) / 1_000) * 1_000;
      if (value === queue[name]) continue;
      changed[name] = value;
      if (name !== "duplicateWindowMs" || queue.requiresDuplicateDetection) {
        changes.push(
          `${queue.name}: ${what} ${wordsOf(queue[name])} on Azure, ${wordsOf(value)} in the official emulator`,
        );
      }
    }
    if (queue.maxDeliveryCount > MAX_DELIVERY_COUNT) {
      changed.maxDeliveryCount = MAX_DELIVERY_COUNT;
      changes.push(
        `${queue.name}: MaxDeliveryCount ${queue.maxDeliveryCount} on Azure, ${MAX_DELIVERY_COUNT} in the official emulator`,
      );
    }
    return changed;
  });
  return { config: configFromQueues(within), changes };
}

const wordsOf = (ms: number) => (Number.isFinite(ms) ? formatDuration(ms) : "unlimited");
