import { isUtf8 } from "node:buffer";
import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import type { TypedData } from "./core-api.ts";
import { jsonProperties } from "./json-properties.ts";

/**
 * A message as the Functions host hands it to a function: text where the bytes are UTF-8, else the bytes. The receiver
 * is opened with skipParsingBodyAsJson, so a data section comes as a Buffer, an AMQP value as itself.
 */
export function messageData(body: unknown): TypedData {
  if (Buffer.isBuffer(body)) return isUtf8(body) ? { string: body.toString("utf8") } : { bytes: body };
  if (typeof body === "string") return { string: body };
  return { json: JSON.stringify(body ?? null) };
}

/** .NET's last moment: what never expires does so then. */
const NEVER = "9999-12-31T23:59:59.9999999";

/** The extension's names, by their lower case. */
const NAMES = new Map(
  [
    ...["DeliveryCount", "DeadLetterSource", "LockToken", "MessageId", "ContentType", "ReplyTo", "To"],
    ...["SequenceNumber", "ExpiresAtUtc", "ExpiresAt", "EnqueuedTimeUtc", "EnqueuedTime", "Subject", "Label"],
    ...["CorrelationId", "ApplicationProperties", "UserProperties"],
    ...["SessionId", "ReplyToSessionId", "PartitionKey"],
  ].map((name) => [name.toLowerCase(), name]),
);

/**
 * The trigger metadata of a Service Bus message, as Azure's extension and its host make it; the worker's side makes
 * camel case of the names, and of those inside. What the extension does not tell is not here either: of a dead letter
 * the reason and its description are among the application properties alone.
 *
 * Text crosses as text, and the library parses what parses: a message id "123" reaches the function as a number.
 */
export function messageMetadata(
  message: ServiceBusReceivedMessage,
  data: TypedData,
): Record<string, TypedData> {
  const metadata: Record<string, TypedData> = Object.create(null);
  const text = (name: string, value: unknown) => {
    if (value !== undefined && value !== null) metadata[name] = { string: String(value) };
  };
  const json = (name: string, value: unknown) => {
    metadata[name] = { json: JSON.stringify(value) };
  };
  const time = (name: string, moment: string) => {
    json(`${name}Utc`, moment);
    json(name, `${moment}+00:00`);
  };
  // 1 on the first delivery, where AMQP and the SDK start at 0.
  json("DeliveryCount", (message.deliveryCount ?? 0) + 1);
  text("DeadLetterSource", message.deadLetterSource);
  text("LockToken", message.lockToken);
  time("ExpiresAt", momentOf(message.expiresAtUtc) ?? NEVER);
  time("EnqueuedTime", momentOf(message.enqueuedTimeUtc) ?? "0001-01-01T00:00:00");
  text("MessageId", message.messageId);
  text("ContentType", message.contentType);
  text("ReplyTo", message.replyTo);
  json("SequenceNumber", message.sequenceNumber?.toNumber() ?? 0);
  text("To", message.to);
  text("Subject", message.subject);
  text("Label", message.subject);
  text("CorrelationId", message.correlationId);
  json("ApplicationProperties", message.applicationProperties ?? {});
  metadata.UserProperties = metadata.ApplicationProperties ?? {};
  text("SessionId", message.sessionId);
  text("ReplyToSessionId", message.replyToSessionId);
  text("PartitionKey", message.partitionKey);
  addBody(metadata, data.string);
  return metadata;
}

/** As .NET writes a moment without a zone; parts of a second only where there are any. */
function momentOf(date: Date | undefined): string | undefined {
  return date
    ?.toISOString()
    .replace(/(\.\d*?)0*Z$/, (_, fraction: string) => (fraction === "." ? "" : fraction));
}

/** The properties of a message that is a JSON object are metadata too, over what has the same name in any case. */
function addBody(metadata: Record<string, TypedData>, text: string | undefined): void {
  if (text === undefined) return;
  for (const [name, value] of jsonProperties(text)) {
    const known = NAMES.get(name.toLowerCase());
    metadata[known !== undefined && known in metadata ? known : name] = value;
  }
}
