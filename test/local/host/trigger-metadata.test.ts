import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { expect, it } from "vitest";
import { messageData, messageMetadata } from "../../../local/host/trigger-metadata.ts";

it("hands text on as text, other bytes as bytes, values as JSON", () => {
  expect(messageData(Buffer.from('{"a":"ä"}'))).toEqual({ string: '{"a":"ä"}' });
  expect(messageData(Buffer.from([0xff, 0xfe]))).toEqual({ bytes: Buffer.from([0xff, 0xfe]) });
  expect(messageData("text")).toEqual({ string: "text" });
  expect(messageData({ a: 1 })).toEqual({ json: '{"a":1}' });
  expect(messageData(undefined)).toEqual({ json: "null" });
});

it("counts deliveries from 1, and keeps ids that look like numbers text", () => {
  const message = { body: "", messageId: "123", deliveryCount: 0, applicationProperties: { TraceId: "7" } };
  const metadata = messageMetadata(message as unknown as ServiceBusReceivedMessage);
  expect(metadata.DeliveryCount).toEqual({ int: 1 });
  expect(metadata.MessageId).toEqual({ json: '"123"' });
  expect(metadata.ApplicationProperties).toEqual({ json: '{"TraceId":"7"}' });
  expect(metadata).not.toHaveProperty("DeadLetterReason");
});
