import {
  ServiceBusClient,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
} from "@azure/service-bus";
import { afterEach } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import type { FaultPlan } from "../../../local/service-bus/fault-plan.ts";
import { type QueueSettings, queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { type RunningServiceBus, startServiceBus } from "../../../local/service-bus/server.ts";

/** A server with a clock that the test turns, and the SDK's client for it. */
export interface Emulator {
  readonly server: RunningServiceBus;
  readonly clock: ManualClock;
  readonly client: ServiceBusClient;
  readonly log: string[];
  /** Another client, on a connection of its own. */
  connect(timeoutInMs?: number): ServiceBusClient;
  stop(): Promise<void>;
  /** The server goes first: its clients find their connections broken. */
  crash(): Promise<void>;
}

export interface EmulatorOptions {
  readonly queues?: readonly QueueSettings[];
  readonly databaseFile?: string;
  readonly clock?: ManualClock;
  /** By which tokens expire; the real one unless said, as the SDK's tokens carry real time. */
  readonly tokenClock?: ManualClock;
  readonly faults?: FaultPlan;
  readonly idleTimeoutMs?: number;
}

const running: Emulator[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((emulator) => emulator.stop()));
});

export function connectTo(port: number, timeoutInMs = 5_000): ServiceBusClient {
  return new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=any;SharedAccessKey=key;UseDevelopmentEmulator=true;`,
    { retryOptions: { maxRetries: 0, retryDelayInMs: 10, timeoutInMs } },
  );
}

/** Ends with the test. Its clock stands at the real time until it is turned. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const {
    queues = [queueSettings("q")],
    databaseFile = ":memory:",
    faults,
    idleTimeoutMs,
    tokenClock,
  } = options;
  const clock = options.clock ?? new ManualClock(Date.now());
  const log: string[] = [];
  const server = await startServiceBus({
    port: 0,
    databaseFile,
    queues,
    clock,
    log: (line) => log.push(line),
    ...(faults === undefined ? {} : { faults }),
    ...(tokenClock === undefined ? {} : { tokenClock }),
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
  });
  const clients: ServiceBusClient[] = [];
  const connect = (timeoutInMs?: number) => {
    const client = connectTo(server.port, timeoutInMs);
    clients.push(client);
    return client;
  };
  const closeClients = () => Promise.all(clients.map((client) => client.close()));
  let stopped: Promise<void> | undefined;
  const emulator: Emulator = {
    server,
    clock,
    client: connect(),
    log,
    connect,
    stop: () => {
      stopped ??= closeClients().then(() => server.close());
      return stopped;
    },
    crash: async () => {
      await server.close();
      // Closing a client whose server has gone never ends in the SDK; nothing of it keeps the process alive.
      stopped = Promise.resolve();
    },
  };
  running.push(emulator);
  return emulator;
}

/** Exactly so many messages; fails the test by its time-out when they do not come. */
export async function receive(
  receiver: ServiceBusReceiver,
  count: number,
): Promise<ServiceBusReceivedMessage[]> {
  const messages: ServiceBusReceivedMessage[] = [];
  while (messages.length < count) {
    messages.push(...(await receiver.receiveMessages(count - messages.length, { maxWaitTimeInMs: 2_000 })));
  }
  return messages;
}

export async function receiveOne(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage> {
  const [message] = await receive(receiver, 1);
  if (message === undefined) throw new Error("unreachable");
  return message;
}

/** What is there at once. */
export function receiveNothing(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage[]> {
  return receiver.receiveMessages(1, { maxWaitTimeInMs: 50 });
}
