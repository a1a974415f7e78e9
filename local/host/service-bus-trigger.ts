import {
  type ProcessErrorArgs,
  ServiceBusClient,
  type ServiceBusClientOptions,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
} from "@azure/service-bus";
import { connectionOf, type Env, resolveSettings } from "./app-settings.ts";
import type { RegisteredFunction } from "./core-api.ts";
import type { HostConfig } from "./host-json.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoker } from "./invocation.ts";
import { type Outcome, Settlements } from "./settlement.ts";
import { Slots } from "./slots.ts";
import { messageData, messageMetadata } from "./trigger-metadata.ts";

/** A Service Bus trigger asks for what the local host cannot do; the message names function and option. */
export class TriggerNotSupported extends Error {
  override readonly name = "TriggerNotSupported";
}

export interface TriggerHandle {
  /** Takes no new message; those taken are still run and settled. */
  stop(): Promise<void>;
  /** Resolves once every message taken is settled. */
  idle(): Promise<void>;
}

interface TriggerDependencies {
  readonly config: HostConfig["serviceBus"];
  readonly invoker: Invoker;
  readonly log: HostLog;
  readonly env: Env;
}

/**
 * The SDK waits 30 s before it tries again unless told otherwise. No retries inside an operation: the subscription
 * tries for ever anyway, and a settlement tried again later could meet one of the other kind in its turn.
 */
const CLIENT_OPTIONS: ServiceBusClientOptions = {
  retryOptions: { maxRetries: 0, retryDelayInMs: 250, maxRetryDelayInMs: 2_000, timeoutInMs: 20_000 },
};
/** Waits before a subscription that ended for good is opened anew. */
const RESUBSCRIBE_FIRST_MS = 250;
const RESUBSCRIBE_MAX_MS = 5_000;
/** The same trouble is told once in this time, not at every try. */
const REPEAT_AFTER_MS = 30_000;
/** Texts remembered for that; errors that name ids could be many. */
const MAX_TROUBLES = 20;

/** The clients of the app's Service Bus connections, one AMQP connection each, as the cloud's host has. */
export class ServiceBusConnections {
  readonly #clients = new Map<string, ServiceBusClient>();
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  async client(name: string): Promise<ServiceBusClient> {
    const known = this.#clients.get(name);
    if (known !== undefined) return known;
    const connection = connectionOf(name, "fullyQualifiedNamespace", this.#env);
    let client: ServiceBusClient;
    if (connection.kind === "connection_string") {
      client = new ServiceBusClient(connection.text, CLIENT_OPTIONS);
    } else {
      const { DefaultAzureCredential } = await import("@azure/identity");
      client = new ServiceBusClient(connection.address, new DefaultAzureCredential(), CLIENT_OPTIONS);
    }
    this.#clients.set(name, client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }
}

/** Starts to receive for one function; connecting goes on in the background, for ever. */
export async function startServiceBusTrigger(
  fn: RegisteredFunction,
  connections: ServiceBusConnections,
  dependencies: TriggerDependencies,
): Promise<TriggerHandle> {
  const { trigger } = fn;
  refuseOption(fn, trigger.isSessionsEnabled === true, "isSessionsEnabled");
  refuseOption(fn, trigger.cardinality === "many", 'cardinality "many"');
  const connection = typeof trigger.connection === "string" ? trigger.connection : "ServiceBus";
  const client = await connections.client(connection);
  const subscriber = new Subscriber(fn, () => openReceiver(fn, client, dependencies), dependencies);
  subscriber.subscribe();
  return subscriber;
}

function refuseOption(fn: RegisteredFunction, asked: boolean, option: string): void {
  if (!asked) return;
  throw new TriggerNotSupported(`Function "${fn.name}": ${option} is not supported by the local host.`);
}

function openReceiver(
  fn: RegisteredFunction,
  client: ServiceBusClient,
  { config, env }: TriggerDependencies,
): ServiceBusReceiver {
  const options = {
    receiveMode: "peekLock",
    maxAutoLockRenewalDurationInMs: config.maxAutoLockRenewalMs,
    skipParsingBodyAsJson: true,
  } as const;
  const { queueName, topicName, subscriptionName } = fn.trigger;
  if (typeof topicName === "string" && typeof subscriptionName === "string") {
    const [topic, subscription] = [resolveSettings(topicName, env), resolveSettings(subscriptionName, env)];
    return client.createReceiver(topic, subscription, options);
  }
  const queue = resolveSettings(String(queueName), env);
  const main = queue.replace(/\/\$deadletterqueue$/i, "");
  return client.createReceiver(main, main === queue ? options : { ...options, subQueueType: "deadLetter" });
}

class Subscriber implements TriggerHandle {
  readonly #fn: RegisteredFunction;
  readonly #open: () => ServiceBusReceiver;
  readonly #invoker: Invoker;
  readonly #log: HostLog;
  readonly #category: string;
  readonly #autoComplete: boolean;
  readonly #maxConcurrentCalls: number;
  readonly #slots: Slots;
  readonly #inHand = new Set<Promise<void>>();
  #subscription: { close(): Promise<void> } | undefined;
  #stopped = false;
  #resubscribeDelayMs = RESUBSCRIBE_FIRST_MS;
  /** What has gone wrong since messages last arrived, and when it was last said. */
  readonly #troubles = new Map<string, number>();

  constructor(fn: RegisteredFunction, open: () => ServiceBusReceiver, dependencies: TriggerDependencies) {
    const { config, invoker, log } = dependencies;
    this.#fn = fn;
    this.#open = open;
    this.#invoker = invoker;
    this.#log = log;
    this.#category = `Host.Triggers.${fn.name}`;
    this.#maxConcurrentCalls = config.maxConcurrentCalls;
    this.#autoComplete =
      typeof fn.trigger.autoCompleteMessages === "boolean"
        ? fn.trigger.autoCompleteMessages
        : config.autoComplete;
    this.#slots = new Slots(config.maxConcurrentCalls);
  }

  subscribe(): void {
    const receiver = this.#open();
    const settlements = new Settlements();
    this.#subscription = receiver.subscribe(
      {
        processMessage: (message) => {
          const processed = this.#process(receiver, settlements, message);
          this.#inHand.add(processed);
          return processed.finally(() => this.#inHand.delete(processed));
        },
        processError: async (args) => this.#onError(receiver, args),
      },
      { autoCompleteMessages: false, maxConcurrentCalls: this.#maxConcurrentCalls },
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#subscription?.close();
  }

  async idle(): Promise<void> {
    await Promise.all(this.#inHand);
  }

  /** Never rejects: the SDK would then abandon by itself, past the settlement queue. */
  async #process(
    receiver: ServiceBusReceiver,
    settlements: Settlements,
    message: ServiceBusReceivedMessage,
  ): Promise<void> {
    this.#recovered();
    // After a reconnection the SDK asks for a whole new window while earlier messages still run.
    await this.#slots.take();
    let outcome: Outcome = "complete";
    try {
      await this.#invoker.invoke(this.#fn, {
        data: messageData(message.body),
        triggerMetadata: messageMetadata(message),
      });
    } catch (thrown) {
      outcome = "abandon";
      this.#log.write("error", `Function.${this.#fn.name}`, `The function failed: ${describe(thrown)}`);
    } finally {
      this.#slots.give();
    }
    if (outcome === "complete" && !this.#autoComplete) return;
    try {
      await settlements.settle(outcome, () =>
        outcome === "complete" ? receiver.completeMessage(message) : receiver.abandonMessage(message),
      );
    } catch (thrown) {
      // The lock runs out and the message comes again: the function must bear that anyway.
      this.#trouble(`A message could not be settled (${outcome}): ${messageOf(thrown)}`);
    }
  }

  #onError(receiver: ServiceBusReceiver, args: ProcessErrorArgs): void {
    if (this.#stopped) return;
    this.#trouble(`${args.errorSource}: ${messageOf(args.error)}`);
    // Any other error is retried by the subscription itself; after an AbortError it has ended.
    if (args.error.name !== "AbortError") return;
    const delayMs = this.#resubscribeDelayMs;
    this.#resubscribeDelayMs = Math.min(delayMs * 2, RESUBSCRIBE_MAX_MS);
    setTimeout(() => {
      if (this.#stopped) return;
      receiver.close().catch((thrown) => this.#trouble(`close: ${messageOf(thrown)}`));
      this.subscribe();
    }, delayMs);
  }

  #trouble(text: string): void {
    const now = performance.now();
    if (now - (this.#troubles.get(text) ?? Number.NEGATIVE_INFINITY) < REPEAT_AFTER_MS) return;
    if (this.#troubles.size >= MAX_TROUBLES) this.#troubles.clear();
    this.#troubles.set(text, now);
    this.#log.write("warning", this.#category, text);
  }

  #recovered(): void {
    if (this.#troubles.size === 0) return;
    this.#troubles.clear();
    this.#resubscribeDelayMs = RESUBSCRIBE_FIRST_MS;
    this.#log.write("information", this.#category, "Messages arrive again.");
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
