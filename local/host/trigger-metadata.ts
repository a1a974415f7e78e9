import { isUtf8 } from "node:buffer";
import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import type { TypedData } from "./core-api.ts";

/**
 * A message as the Functions host hands it to a function: text where the bytes are UTF-8, else the bytes. The receiver
 * is opened with skipParsingBodyAsJson, so a data section comes as a Buffer, an AMQP value as itself.
 */
export function messageData(body: unknown): TypedData {
  if (Buffer.isBuffer(body)) return isUtf8(body) ? { string: body.toString("utf8") } : { bytes: body };
  if (typeof body === "string") return { string: body };
  return { json: JSON.stringify(body ?? null) };
}

/**
 * The trigger metadata of a Service Bus message, under the names the Functions host uses; the worker's side makes
 * camel case of them. `DeliveryCount` is 1 on the first delivery as in the cloud (AMQP and the SDK start at 0).
 */
export function messageMetadata(message: ServiceBusReceivedMessage): Record<string, TypedData> {
  const metadata: Record<string, TypedData> = {
    MessageId: json(message.messageId ?? null),
    SequenceNumber: json(message.sequenceNumber?.toNumber() ?? null),
    DeliveryCount: { int: (message.deliveryCount ?? 0) + 1 },
    EnqueuedTimeUtc: json(message.enqueuedTimeUtc ?? null),
    LockToken: json(message.lockToken ?? null),
    ApplicationProperties: json(message.applicationProperties ?? {}),
  };
  const optional: Record<string, unknown> = {
    ContentType: message.contentType,
    CorrelationId: message.correlationId,
    Subject: message.subject,
    ReplyTo: message.replyTo,
    To: message.to,
    PartitionKey: message.partitionKey,
    ExpiresAtUtc: message.expiresAtUtc,
    LockedUntilUtc: message.lockedUntilUtc,
    EnqueuedSequenceNumber: message.enqueuedSequenceNumber,
    DeadLetterSource: message.deadLetterSource,
    DeadLetterReason: message.deadLetterReason,
    DeadLetterErrorDescription: message.deadLetterErrorDescription,
  };
  for (const [key, value] of Object.entries(optional)) {
    if (value !== undefined && value !== null) metadata[key] = json(value);
  }
  return metadata;
}

/** As JSON text: a plain string would be parsed on the other side, and an id such as "123" arrive as a number. */
function json(value: unknown): TypedData {
  return { json: JSON.stringify(value) };
}
