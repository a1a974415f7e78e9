import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { expect, it } from "vitest";
import { messageData, messageMetadata } from "../../../local/host/trigger-metadata.ts";

const metadataOf = (message: object, body: unknown = "") =>
  messageMetadata(message as ServiceBusReceivedMessage, messageData(body));

it("hands text on as text, other bytes as bytes, values as JSON", () => {
  expect(messageData(Buffer.from('{"a":"ä"}'))).toEqual({ string: '{"a":"ä"}' });
  expect(messageData(Buffer.from([0xff, 0xfe]))).toEqual({ bytes: Buffer.from([0xff, 0xfe]) });
  expect(messageData("text")).toEqual({ string: "text" });
  expect(messageData({ a: 1 })).toEqual({ json: '{"a":1}' });
  expect(messageData(undefined)).toEqual({ json: "null" });
});

it("tells what Azure's extension tells of a message, and no more", () => {
  const metadata = metadataOf({
    body: "",
    messageId: "123",
    deliveryCount: 0,
    sequenceNumber: { toNumber: () => 7 },
    enqueuedTimeUtc: new Date("2026-01-02T03:04:05.120Z"),
    expiresAtUtc: new Date("2026-01-03T03:04:05.000Z"),
    lockedUntilUtc: new Date(0),
    enqueuedSequenceNumber: 7,
    lockToken: "lock",
    subject: "s",
    deadLetterSource: "work",
    deadLetterReason: "r",
    deadLetterErrorDescription: "d",
    applicationProperties: { DeadLetterReason: "r", DeadLetterErrorDescription: "d" },
  });
  const properties = { json: '{"DeadLetterReason":"r","DeadLetterErrorDescription":"d"}' };
  expect(metadata).toEqual({
    DeliveryCount: { json: "1" },
    DeadLetterSource: { string: "work" },
    LockToken: { string: "lock" },
    ExpiresAtUtc: { json: '"2026-01-03T03:04:05"' },
    ExpiresAt: { json: '"2026-01-03T03:04:05+00:00"' },
    EnqueuedTimeUtc: { json: '"2026-01-02T03:04:05.12"' },
    EnqueuedTime: { json: '"2026-01-02T03:04:05.12+00:00"' },
    MessageId: { string: "123" },
    SequenceNumber: { json: "7" },
    Subject: { string: "s" },
    Label: { string: "s" },
    ApplicationProperties: properties,
    UserProperties: properties,
  });
});

it("says that what has no end never expires", () => {
  expect(metadataOf({}).ExpiresAtUtc).toEqual({ json: '"9999-12-31T23:59:59.9999999"' });
});

it("takes a body apart that is a JSON object, over its own names", () => {
  const body = '{"job_id":"j","n":1.5,"yes":true,"list":[1],"none":null,"o":{"A":1},"messageid":"mine"}';
  expect(metadataOf({ messageId: "m" }, body)).toMatchObject({
    job_id: { string: "j" },
    n: { string: "1.5" },
    yes: { string: "True" },
    o: { json: '{"A":1}' },
    MessageId: { string: "mine" },
  });
  for (const name of ["list", "none"]) expect(metadataOf({}, body)).not.toHaveProperty(name);
  for (const other of ["[1]", "{ no json }", '"text"', Buffer.from([0xff]), { a: 1 }])
    expect(metadataOf({}, other)).not.toHaveProperty("a");
});
