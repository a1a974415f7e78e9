import type { TokenCredential } from "@azure/identity";
import {
  ServiceBusClient,
  type ServiceBusMessage,
  type ServiceBusReceiver,
  type ServiceBusSender,
} from "@azure/service-bus";
import { MAX_TIME_MS, numberIn, wholeIn } from "../../bounds.ts";
import type { Nudge, Nudges } from "../../job/ports.ts";
import { MAX_NUDGE_LOOKS } from "../../limits.ts";
import type { Grant, Proof } from "../../quota/grant.ts";
import type { ServiceBusConnection } from "../../settings.ts";
import { GroupedSends } from "./grouped-sends.ts";

/** As infra/resources.json names it. */
export const NUDGES_QUEUE = "nudges";

/** Below 1 KB each, well within the 256 KB of one send. */
const MAX_GROUP = 200;

/** The sender's patience when no client waits for it. */
const SEND_TIMEOUT_MS = 10_000;

export function openServiceBus(
  connection: ServiceBusConnection,
  credential: (clientId: string | undefined) => TokenCredential,
): ServiceBusClient {
  // The SDK's default is to wait 30 s between tries: longer than the sweeper needs to send another nudge.
  const options = { retryOptions: { maxRetries: 2, retryDelayInMs: 200, timeoutInMs: SEND_TIMEOUT_MS } };
  return connection.kind === "connection_string"
    ? new ServiceBusClient(connection.connectionString, options)
    : new ServiceBusClient(connection.fullyQualifiedNamespace, credential(connection.clientId), options);
}

/**
 * A connection on which nothing was answered for this long while something was asked is given up for a new one. A
 * server that dies while the SDK (7.9.5) opens a link leaves it waiting for a minute for each of several steps, long
 * after the server is back. Doubled with each one given up in a row: opening may be slow rather than stuck.
 */
const STUCK_MS = 3_000;
const MAX_STUCK_MS = 30_000;

/** One connection with its links. */
interface Link {
  readonly client: ServiceBusClient;
  readonly sender: ServiceBusSender;
  readonly sends: GroupedSends<ServiceBusMessage>;
  readonly receiver: ServiceBusReceiver;
  /**
   * Told when the link is given up: a set that each asker leaves again. One promise for all to race against would
   * keep something of every nudge ever sent, for as long as the link lives.
   */
  readonly waiting: Set<() => void>;
  /** Operations not answered yet. */
  asked: number;
  watch: NodeJS.Timeout | undefined;
}

/**
 * Nudges on a Service Bus queue. One sender for the process, one send at a time. No message id, because duplicates do
 * no harm.
 */
export class ServiceBusNudges implements Nudges {
  readonly #open: () => ServiceBusClient;
  readonly #queue: string;
  #link: Link;
  #stuckMs = STUCK_MS;

  constructor(open: () => ServiceBusClient, queue: string = NUDGES_QUEUE) {
    this.#open = open;
    this.#queue = queue;
    this.#link = this.#opened();
  }

  async send(nudge: object, options: { atMs?: number; patienceMs?: number } = {}): Promise<void> {
    const message: ServiceBusMessage = { body: nudge, contentType: "application/json" };
    if (options.atMs !== undefined) message.scheduledEnqueueTimeUtc = new Date(options.atMs);
    await this.#ask(options.patienceMs ?? SEND_TIMEOUT_MS, ({ sends }) => sends.send(message));
  }

  /** Many in one send: no more than fit into 256 KB. */
  async sendAll(nudges: readonly Nudge[]): Promise<void> {
    const messages = nudges.map((body): ServiceBusMessage => ({ body, contentType: "application/json" }));
    await this.#ask(SEND_TIMEOUT_MS, ({ sender }) => sender.sendMessages(messages));
  }

  /** Throws when Service Bus does not answer. */
  async check(patienceMs: number): Promise<void> {
    await this.#ask(patienceMs, ({ receiver }) => receiver.peekMessages(1));
  }

  async close(): Promise<void> {
    clearTimeout(this.#link.watch);
    await this.#link.client.close();
  }

  #opened(): Link {
    const client = this.#open();
    const sender = client.createSender(this.#queue);
    // One message alone: a batch costs the SDK more.
    const sendAll = (messages: readonly ServiceBusMessage[]) =>
      sender.sendMessages(messages.length === 1 ? (messages[0] as ServiceBusMessage) : [...messages]);
    return {
      client,
      sender,
      sends: new GroupedSends(sendAll, MAX_GROUP),
      receiver: client.createReceiver(this.#queue),
      waiting: new Set(),
      asked: 0,
      watch: undefined,
    };
  }

  /**
   * Runs one operation on the current link, and again on the next if that link is given up meanwhile: a nudge sent
   * twice does no harm. It is not aborted when patience is over, because an abort in the middle of opening would
   * restart the opening for each sender in turn. It then comes late, or its failure is ignored.
   */
  async #ask(patienceMs: number, run: (link: Link) => Promise<unknown>): Promise<void> {
    const over = Promise.withResolvers<"over">();
    const timer = setTimeout(() => over.resolve("over"), patienceMs);
    try {
      for (;;) {
        const link = this.#link;
        const answer = await this.#answer(link, run, over.promise);
        if (answer === "answered") return;
        if (answer === "over") throw new Error(`Service Bus has not answered within ${patienceMs} ms`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #answer(
    link: Link,
    run: (link: Link) => Promise<unknown>,
    over: Promise<"over">,
  ): Promise<"answered" | "given_up" | "over"> {
    const given = Promise.withResolvers<"given_up">();
    const tell = () => given.resolve("given_up");
    link.waiting.add(tell);
    try {
      return await Promise.race([this.#watched(link, run), given.promise, over]);
    } finally {
      link.waiting.delete(tell);
    }
  }

  async #watched(link: Link, run: (link: Link) => Promise<unknown>): Promise<"answered"> {
    link.asked++;
    link.watch ??= this.#watch(link);
    try {
      await run(link);
      this.#stuckMs = STUCK_MS;
      return "answered";
    } finally {
      // A refusal is an answer too.
      link.asked--;
      clearTimeout(link.watch);
      link.watch = link.asked > 0 && link === this.#link ? this.#watch(link) : undefined;
    }
  }

  #watch(link: Link): NodeJS.Timeout {
    const timer = setTimeout(() => this.#giveUp(link), this.#stuckMs);
    timer.unref();
    return timer;
  }

  #giveUp(link: Link): void {
    if (link !== this.#link) return;
    this.#stuckMs = Math.min(this.#stuckMs * 2, MAX_STUCK_MS);
    this.#link = this.#opened();
    for (const tell of link.waiting) tell();
    // A stuck client may not even close, so nothing waits for it.
    link.client.close().catch(() => undefined);
  }
}

/** Longer than any id of ours: such a message is somebody else's. */
const MAX_ID_CHARS = 255;
export const isId = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= MAX_ID_CHARS;

/** More than any pool has ever let go. */
const MAX_TAKEN = 1e15;
const TAKEN = [
  "tokens",
  "spent_requests",
  "spent_tokens",
  "burst_requests",
  "burst_tokens",
] as const satisfies readonly (keyof Grant["taken"])[];

function proofOf(value: unknown): Proof | undefined {
  const { kid, mac } = (value ?? {}) as Partial<Record<keyof Proof, unknown>>;
  return isId(kid) && isId(mac) ? { kid, mac } : undefined;
}

/** The grant, its own fields alone; undefined: none that a dispatcher could have given. */
function grantOf(value: unknown): Grant | undefined {
  const { deployment, taken, lapses_ms, kid, mac } = (value ?? {}) as Partial<Record<keyof Grant, unknown>>;
  const told = (taken ?? {}) as Partial<Record<keyof Grant["taken"], unknown>>;
  const lapses = numberIn(lapses_ms, 0, MAX_TIME_MS);
  const at_ms = numberIn(told.at_ms, 0, MAX_TIME_MS);
  if (!isId(deployment) || lapses === undefined || at_ms === undefined) return undefined;
  const figures = TAKEN.map((name) => [name, numberIn(told[name], 0, MAX_TAKEN)] as const);
  if (figures.some(([, figure]) => figure === undefined)) return undefined;
  return {
    deployment,
    taken: { at_ms, ...Object.fromEntries(figures) } as Grant["taken"],
    lapses_ms: lapses,
    ...proofOf({ kid, mac }),
  };
}

/**
 * The nudge in a message's body, or undefined when it is none that this version knows. Only its own fields: whatever
 * else a sender wrote is neither kept nor sent on. A figure that is out of its range counts as not sent.
 */
export function nudgeOf(body: unknown): Nudge | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { tenant_id, job_id, v, dead_lease, looks, grant, late } = body as Partial<
    Record<keyof Nudge, unknown>
  >;
  if (!isId(tenant_id) || !isId(job_id) || typeof v !== "number") return undefined;
  const lease = (dead_lease ?? {}) as Partial<Record<"claim_id" | "renewals", unknown>>;
  const claim_id = isId(lease.claim_id) ? lease.claim_id : undefined;
  const renewals = wholeIn(lease.renewals, 0, Number.MAX_SAFE_INTEGER);
  const granted = grantOf(grant);
  const proof = proofOf(late);
  return {
    ...{ v, tenant_id, job_id },
    ...(claim_id === undefined || renewals === undefined ? {} : { dead_lease: { claim_id, renewals } }),
    ...(looks === undefined ? {} : { looks: wholeIn(looks, 0, MAX_NUDGE_LOOKS) ?? 0 }),
    ...(granted === undefined ? {} : { grant: granted }),
    ...(proof === undefined ? {} : { late: proof }),
  };
}
