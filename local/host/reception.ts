import type {
  MessageHandlers,
  ProcessErrorArgs,
  ServiceBusClient,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
} from "@azure/service-bus";
import { renewLock } from "./lock-renewal.ts";
import { type Outcome, Settlements } from "./settlement.ts";

/** One connection to Service Bus and one link that messages arrive on. */
export interface Opened {
  readonly client: ServiceBusClient;
  /** A receiver without a lock renewal of its own. */
  readonly receiver: ServiceBusReceiver;
  /** How long a message's lock is renewed while its function runs; 0: not at all. */
  readonly maxLockRenewalMs: number;
}

export interface ReceptionHandlers {
  /** Runs a message; undefined leaves it unsettled. Must not reject. */
  run(message: ServiceBusReceivedMessage): Promise<Outcome | undefined>;
  trouble(text: string): void;
  /** The link is open, for the first time or again. */
  opened(): void;
}

/** How the SDK tells of each try to open the link; it hands them on, though its types do not say so. */
interface OpeningHandlers extends MessageHandlers {
  preInitialize(): Promise<void>;
  postInitialize(): Promise<void>;
}

/**
 * Receives on one link until stopped. The SDK reopens a lost link, but a server that dies while it is being opened
 * leaves it waiting for minutes (7.9.5: 60 s for each of several steps). `stuckFor` tells how long, and the owner
 * replaces the reception.
 */
export class Reception {
  readonly #opened: Opened;
  readonly #handlers: ReceptionHandlers;
  readonly #settlements = new Settlements();
  /** What is being processed, the oldest first, and how many messages had come before it. */
  readonly #inHand = new Map<Promise<void>, number>();
  #came = 0;
  readonly #subscription: { close(): Promise<void> };
  #openingSince: number | undefined = performance.now();
  #ended = false;
  #stopped = false;

  constructor(opened: Opened, maxConcurrentCalls: number, handlers: ReceptionHandlers) {
    this.#opened = opened;
    this.#handlers = handlers;
    const sdkHandlers: OpeningHandlers = {
      preInitialize: async () => {
        this.#openingSince = performance.now();
      },
      postInitialize: async () => {
        this.#openingSince = undefined;
        handlers.opened();
      },
      processMessage: (message) => {
        const processed = this.#process(message);
        this.#inHand.set(processed, this.#came++);
        return processed.finally(() => this.#inHand.delete(processed));
      },
      processError: async (args) => this.#onError(args),
    };
    this.#subscription = opened.receiver.subscribe(sdkHandlers, {
      autoCompleteMessages: false,
      maxConcurrentCalls,
    });
  }

  /** How long it has been opening its link, ms; 0 when that is open, infinite when it has given up. */
  get stuckFor(): number {
    if (this.#ended) return Number.POSITIVE_INFINITY;
    return this.#openingSince === undefined ? 0 : performance.now() - this.#openingSince;
  }

  /** How many messages have come since the oldest one that is still in hand. */
  get span(): number {
    const [oldest = this.#came] = this.#inHand.values();
    return this.#came - oldest;
  }

  /** Asks for no more messages; those that have come are still run and settled. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#subscription.close();
  }

  /** Resolves once all messages that have come are settled. */
  async idle(): Promise<void> {
    await Promise.all(this.#inHand.keys());
  }

  close(): Promise<void> {
    return this.#opened.client.close();
  }

  /** Never rejects: the SDK would then abandon the message itself, bypassing the settlement queue. */
  async #process(message: ServiceBusReceivedMessage): Promise<void> {
    const { receiver, maxLockRenewalMs } = this.#opened;
    const stopRenewal = renewLock(receiver, message, maxLockRenewalMs, (thrown) =>
      this.#handlers.trouble(`renewLock: ${textOf(thrown)}`),
    );
    const outcome = await this.#handlers.run(message);
    stopRenewal();
    if (outcome === undefined) return;
    try {
      await this.#settlements.settle(outcome, () =>
        outcome === "complete" ? receiver.completeMessage(message) : receiver.abandonMessage(message),
      );
    } catch (thrown) {
      // The lock runs out and the message comes again: the function must bear that anyway.
      this.#handlers.trouble(`A message could not be settled (${outcome}): ${textOf(thrown)}`);
    }
  }

  #onError(args: ProcessErrorArgs): void {
    if (this.#stopped) return;
    // Any other error is retried by the subscription itself; after an AbortError, or where it broke inside, it has ended.
    if (args.error.name === "AbortError" || args.error instanceof TypeError) this.#ended = true;
    this.#handlers.trouble(`${args.errorSource}: ${textOf(args.error)}`);
  }
}

export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
