import type { TokenCredential } from "@azure/identity";
import { ServiceBusClient, type ServiceBusMessage, type ServiceBusSender } from "@azure/service-bus";
import type { Nudge, Nudges } from "../job/ports.ts";
import type { ServiceBusConnection } from "../settings.ts";
import { withinTime } from "./within-time.ts";

/** As infra/resources.json names it. */
export const NUDGES_QUEUE = "nudges";

/** The sender's patience where nobody waits for it. */
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

/** Nudges on a Service Bus queue. One sender for the process; no message id, for duplicates are no harm. */
export class ServiceBusNudges implements Nudges {
  readonly #sender: ServiceBusSender;

  constructor(client: ServiceBusClient) {
    this.#sender = client.createSender(NUDGES_QUEUE);
  }

  async send(nudge: Nudge, options: { atMs?: number; patienceMs?: number } = {}): Promise<void> {
    const message: ServiceBusMessage = { body: nudge, contentType: "application/json" };
    if (options.atMs !== undefined) message.scheduledEnqueueTimeUtc = new Date(options.atMs);
    await withinTime(options.patienceMs ?? SEND_TIMEOUT_MS, (abortSignal) =>
      this.#sender.sendMessages(message, { abortSignal }),
    );
  }
}

/** Longer than any id of ours: such a message is somebody else's. */
const MAX_ID_CHARS = 255;
const isId = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= MAX_ID_CHARS;

/**
 * The nudge in a message's body, or undefined when it is none that this version knows. Only its own fields: whatever
 * else a sender wrote is neither kept nor sent on.
 */
export function nudgeOf(body: unknown): Nudge | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { tenant_id, job_id, v, dead_lease, looks } = body as Partial<Record<keyof Nudge, unknown>>;
  if (!isId(tenant_id) || !isId(job_id) || typeof v !== "number") return undefined;
  const lease = dead_lease as Partial<Record<"claim_id" | "renewals", unknown>> | null | undefined;
  const { claim_id, renewals } = lease ?? {};
  return {
    ...{ v, tenant_id, job_id },
    ...(isId(claim_id) && typeof renewals === "number" ? { dead_lease: { claim_id, renewals } } : {}),
    ...(typeof looks === "number" ? { looks } : {}),
  };
}
