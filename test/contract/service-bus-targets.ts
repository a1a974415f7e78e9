import { randomBytes } from "node:crypto";
import { ServiceBusAdministrationClient, ServiceBusClient } from "@azure/service-bus";
import { ManualClock } from "../../local/clock.ts";
import { formatDuration } from "../../local/service-bus/duration.ts";
import { type QueueSettings, queueSettings } from "../../local/service-bus/queue-settings.ts";
import { startServiceBus } from "../../local/service-bus/server.ts";

/** A queue to test with, and its client; both are gone after `close`. */
export interface TestQueue {
  readonly name: string;
  readonly client: ServiceBusClient;
  /** Unix ms by the broker's clock. */
  now(): number;
  /** Lets time pass: turned on the emulator's clock, waited for on Azure. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Makes a queue with Azure's defaults but for these changes. */
export type OpenQueue = (changes?: Partial<Omit<QueueSettings, "name">>) => Promise<TestQueue>;

const NAME = "contract";
const RETRIES = { maxRetries: 0, retryDelayInMs: 50, timeoutInMs: 30_000 };

export const openLocalQueue: OpenQueue = async (changes = {}) => {
  const clock = new ManualClock(Date.now());
  const server = await startServiceBus({
    port: 0,
    databaseFile: ":memory:",
    queues: [queueSettings(NAME, changes)],
    clock,
    log: () => undefined,
  });
  const client = new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${server.port};SharedAccessKeyName=any;SharedAccessKey=key;UseDevelopmentEmulator=true;`,
    { retryOptions: RETRIES },
  );
  return {
    name: NAME,
    client,
    now: () => clock.now(),
    pass: async (ms) => {
      clock.advance(ms);
      // What the time has brought about (links closed, messages handed out) is on the wire before the test goes on.
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    },
    close: async () => {
      await client.close();
      await server.close();
    },
  };
};

/** Needs Manage rights: the queue is made and removed. */
export function azureQueues(connectionString: string): OpenQueue {
  return async (changes = {}) => {
    const settings = queueSettings(`${NAME}-${randomBytes(6).toString("hex")}`, changes);
    const administration = new ServiceBusAdministrationClient(connectionString);
    await administration.createQueue(settings.name, {
      lockDuration: formatDuration(settings.lockDurationMs),
      maxDeliveryCount: settings.maxDeliveryCount,
      deadLetteringOnMessageExpiration: settings.deadLetteringOnExpiration,
      requiresDuplicateDetection: settings.requiresDuplicateDetection,
      requiresSession: settings.requiresSession,
      ...(Number.isFinite(settings.defaultTtlMs)
        ? { defaultMessageTimeToLive: formatDuration(settings.defaultTtlMs) }
        : {}),
      ...(settings.requiresDuplicateDetection
        ? { duplicateDetectionHistoryTimeWindow: formatDuration(settings.duplicateWindowMs) }
        : {}),
    });
    const client = new ServiceBusClient(connectionString, { retryOptions: RETRIES });
    return {
      name: settings.name,
      client,
      now: () => Date.now(),
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms + CLOCK_SKEW_MS)),
      close: async () => {
        await client.close();
        await administration.deleteQueue(settings.name);
      },
    };
  };
}

/** The service looks at locks and times to live when it gets to it, and its clock is not ours. */
const CLOCK_SKEW_MS = 3_000;
