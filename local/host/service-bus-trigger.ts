import {
  ServiceBusClient,
  type ServiceBusClientOptions,
  type ServiceBusReceivedMessage,
} from "@azure/service-bus";
import { connectionOf, type Env, resolveSettings } from "./app-settings.ts";
import type { RegisteredFunction } from "./core-api.ts";
import type { HostConfig } from "./host-json.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoker } from "./invocation.ts";
import { type Opened, Reception, textOf } from "./reception.ts";
import type { Outcome } from "./settlement.ts";
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
  /** Takes nothing until `resume`; resolves once all that was taken is settled and its connection closed. */
  pause(): Promise<void>;
  resume(): void;
  close(): Promise<void>;
}

interface TriggerDependencies {
  readonly config: HostConfig["serviceBus"];
  readonly invoker: Pick<Invoker, "invoke">;
  readonly log: HostLog;
  readonly env: Env;
  /** How long a link may take to open before a new connection is tried; doubled each time, to a bound. */
  readonly openPatienceMs?: number;
}

/**
 * The SDK waits 30 s before it tries again unless told otherwise. No retries inside an operation: the subscription
 * tries for ever anyway, and a settlement tried again later could meet one of the other kind in its turn.
 */
const CLIENT_OPTIONS: ServiceBusClientOptions = {
  retryOptions: { maxRetries: 0, retryDelayInMs: 250, maxRetryDelayInMs: 2_000, timeoutInMs: 20_000 },
};
/** Opening takes some milliseconds; after this it hangs, see Reception. */
const OPEN_PATIENCE_MS = 3_000;
const MAX_OPEN_PATIENCE_MS = 30_000;
/**
 * rhea keeps the messages of a session in a ring of 2,048 places, from the oldest unsettled one on. When the ring is
 * full nothing is received any more, however many of the others are settled. A function that runs for minutes would
 * stop its queue that way, which Microsoft's own client does not know: it gets a link of its own in time.
 */
const MOST_SPAN = 1_000;
const LOOK_MS = 50;
/** The same trouble is told once in this time, not at every try. */
const REPEAT_AFTER_MS = 30_000;
/** Texts remembered for that; errors that name ids could be many. */
const MAX_TROUBLES = 20;

/** Starts to receive for one function. It keeps trying to connect in the background, for ever. */
export function startServiceBusTrigger(
  fn: RegisteredFunction,
  dependencies: TriggerDependencies,
): TriggerHandle {
  const { trigger } = fn;
  refuseOption(fn, trigger.isSessionsEnabled === true, "isSessionsEnabled");
  refuseOption(fn, trigger.cardinality === "many", 'cardinality "many"');
  return new Subscriber(fn, openerOf(fn, dependencies), dependencies);
}

function refuseOption(fn: RegisteredFunction, asked: boolean, option: string): void {
  if (!asked) return;
  throw new TriggerNotSupported(`Function "${fn.name}": ${option} is not supported by the local host.`);
}

/** What opens a connection and a receiver for the function's queue or subscription. */
function openerOf(fn: RegisteredFunction, { config, env }: TriggerDependencies): () => Promise<Opened> {
  const { connection = "ServiceBus", queueName, topicName, subscriptionName } = fn.trigger;
  const target = connectionOf(String(connection), "fullyQualifiedNamespace", env);
  const maxLockRenewalMs = config.maxAutoLockRenewalMs;
  const options = {
    receiveMode: "peekLock",
    maxAutoLockRenewalDurationInMs: 0,
    skipParsingBodyAsJson: true,
  } as const;
  const openClient = async () => {
    if (target.kind === "connection_string") return new ServiceBusClient(target.text, CLIENT_OPTIONS);
    const { DefaultAzureCredential } = await import("@azure/identity");
    return new ServiceBusClient(target.address, new DefaultAzureCredential(), CLIENT_OPTIONS);
  };
  if (typeof topicName === "string" && typeof subscriptionName === "string") {
    const [topic, subscription] = [resolveSettings(topicName, env), resolveSettings(subscriptionName, env)];
    return async () => {
      const client = await openClient();
      return { client, receiver: client.createReceiver(topic, subscription, options), maxLockRenewalMs };
    };
  }
  const queue = resolveSettings(String(queueName), env);
  const main = queue.replace(/\/\$deadletterqueue$/i, "");
  const queueOptions = main === queue ? options : { ...options, subQueueType: "deadLetter" as const };
  return async () => {
    const client = await openClient();
    return { client, receiver: client.createReceiver(main, queueOptions), maxLockRenewalMs };
  };
}

/** Runs a function for each message, over one reception after another. */
class Subscriber implements TriggerHandle {
  readonly #fn: RegisteredFunction;
  readonly #open: () => Promise<Opened>;
  readonly #invoker: Pick<Invoker, "invoke">;
  readonly #log: HostLog;
  readonly #category: string;
  readonly #autoComplete: boolean;
  readonly #maxConcurrentCalls: number;
  readonly #slots: Slots;
  /** The current one last; earlier ones only settle what they still hold. */
  readonly #receptions = new Set<Reception>();
  #current: Reception | undefined;
  readonly #firstPatienceMs: number;
  #patienceMs: number;
  #watch: NodeJS.Timeout | undefined;
  #stopped = false;
  #paused = false;
  /** What has gone wrong since the link was last opened, and when it was last said. */
  readonly #troubles = new Map<string, number>();

  constructor(fn: RegisteredFunction, open: () => Promise<Opened>, dependencies: TriggerDependencies) {
    const { config, invoker, log } = dependencies;
    this.#fn = fn;
    this.#open = open;
    this.#invoker = invoker;
    this.#log = log;
    this.#category = `Host.Triggers.${fn.name}`;
    this.#maxConcurrentCalls = config.maxConcurrentCalls;
    const { autoCompleteMessages } = fn.trigger;
    this.#autoComplete =
      typeof autoCompleteMessages === "boolean" ? autoCompleteMessages : config.autoComplete;
    this.#firstPatienceMs = dependencies.openPatienceMs ?? OPEN_PATIENCE_MS;
    this.#patienceMs = this.#firstPatienceMs;
    this.#slots = new Slots(config.maxConcurrentCalls);
    void this.#receive();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#watch);
    await Promise.all([...this.#receptions].map((reception) => reception.stop()));
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#receptions].map((reception) => reception.idle()));
  }

  async pause(): Promise<void> {
    this.#paused = true;
    clearTimeout(this.#watch);
    this.#current = undefined;
    await Promise.all([...this.#receptions].map((reception) => this.#end(reception)));
  }

  resume(): void {
    if (!this.#paused || this.#stopped) return;
    this.#paused = false;
    void this.#receive();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#receptions].map((reception) => reception.close()));
  }

  /** Begins a reception, and replaces it when it is stuck. */
  async #receive(): Promise<void> {
    try {
      const opened = await this.#open();
      if (this.#stopped || this.#paused) return await opened.client.close();
      this.#current = new Reception(opened, this.#maxConcurrentCalls, {
        run: (message) => this.#run(message),
        trouble: (text) => this.#trouble(text),
        opened: () => this.#recovered(),
      });
      this.#receptions.add(this.#current);
    } catch (thrown) {
      this.#trouble(`open: ${textOf(thrown)}`);
    }
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#stopped || this.#paused) return;
    this.#watch = setTimeout(() => {
      const current = this.#current;
      if (current !== undefined && current.stuckFor < this.#patienceMs) {
        if (current.span < MOST_SPAN) return this.#lookLater();
        void this.#end(current);
        return void this.#receive();
      }
      this.#patienceMs = Math.min(this.#patienceMs * 2, MAX_OPEN_PATIENCE_MS);
      if (current !== undefined) void this.#retire(current);
      void this.#receive();
    }, LOOK_MS);
  }

  /** The old connection settles what it still can, and is closed. */
  async #retire(reception: Reception): Promise<void> {
    this.#current = undefined;
    this.#trouble("The connection does not open; trying a new one.");
    await this.#end(reception);
  }

  async #end(reception: Reception): Promise<void> {
    const stopped = reception.stop();
    await reception.idle();
    this.#receptions.delete(reception);
    try {
      await Promise.all([stopped, reception.close()]);
    } catch (thrown) {
      this.#trouble(`close: ${textOf(thrown)}`);
    }
  }

  async #run(message: ServiceBusReceivedMessage): Promise<Outcome | undefined> {
    // A reconnection asks for a whole new window while earlier messages still run.
    await this.#slots.take();
    try {
      const data = messageData(message.body);
      await this.#invoker.invoke(this.#fn, { data, triggerMetadata: messageMetadata(message, data) });
      return this.#autoComplete ? "complete" : undefined;
    } catch (thrown) {
      const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      this.#log.write("error", `Function.${this.#fn.name}`, `The function failed: ${why}`);
      return "abandon";
    } finally {
      this.#slots.give();
    }
  }

  #trouble(text: string): void {
    if (this.#stopped) return;
    const now = performance.now();
    if (now - (this.#troubles.get(text) ?? Number.NEGATIVE_INFINITY) < REPEAT_AFTER_MS) return;
    if (this.#troubles.size >= MAX_TROUBLES) this.#troubles.clear();
    this.#troubles.set(text, now);
    this.#log.write("warning", this.#category, text);
  }

  #recovered(): void {
    this.#patienceMs = this.#firstPatienceMs;
    if (this.#troubles.size === 0) return;
    this.#troubles.clear();
    this.#log.write("information", this.#category, "Connected again.");
  }
}
