import fc from "fast-check";
import rhea from "rhea";
import { describe, expect, test } from "vitest";
import { parseAddress } from "../../../local/service-bus/address.ts";
import { answerPutToken } from "../../../local/service-bus/cbs.ts";
import { tagOfUuid, uuidOfTag } from "../../../local/service-bus/lock.ts";
import { withApplicationProperties } from "../../../local/service-bus/message-edit.ts";
import { readBatch, readMessage } from "../../../local/service-bus/message-in.ts";
import { encodeMessage, MESSAGE_STATE } from "../../../local/service-bus/message-out.ts";
import { decodeRequest, propertiesToModify } from "../../../local/service-bus/request.ts";
import type { StoredMessage } from "../../../local/service-bus/store.ts";

const encode = (message: object) =>
  Buffer.from(rhea.message.encode(message as never) as unknown as Uint8Array);
const decode = (bytes: Buffer) => rhea.message.decode(bytes as never) as unknown as Record<string, unknown>;
const FACTS = {
  sequenceNumber: 2 ** 33 + 5,
  deliveryCount: 3,
  lockedUntil: 1_800_000_000_123,
  state: MESSAGE_STATE.active,
};

function stored(bytes: Buffer): StoredMessage {
  const sent = readMessage(bytes);
  return {
    id: 1,
    messageId: sent.messageId,
    session: sent.session ?? null,
    enqueuedAt: 1_800_000_000_000,
    expiresAt: null,
    dueAt: null,
    ttlMs: sent.ttlMs ?? null,
    header: sent.header ?? null,
    annotations: sent.annotations ?? null,
    content: sent.content,
    deadLetterSource: null,
    enqueueSequence: null,
  };
}

const values = fc.oneof(
  fc.string(),
  fc.boolean(),
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
);
const keys = fc.string({ minLength: 1 }).filter((key) => key !== "__proto__");
const messages = fc.record(
  {
    message_id: fc.string({ minLength: 1, maxLength: 128 }),
    group_id: fc.string({ minLength: 1, maxLength: 128 }),
    subject: fc.string(),
    application_properties: fc.dictionary(keys, values, { noNullPrototype: true }),
    ttl: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    durable: fc.boolean(),
    first_acquirer: fc.boolean(),
    priority: fc.integer({ min: 0, max: 255 }),
    body: fc.oneof(fc.string(), fc.integer(), fc.array(values)),
  },
  { requiredKeys: ["body"] },
);

describe("a message on its way through", () => {
  test("keeps what was sent, and gains what the broker says", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const before = decode(encode(message));
        const after = decode(encodeMessage(stored(encode(message)), FACTS));
        expect(after.body).toEqual(before.body);
        expect(after.application_properties).toEqual(before.application_properties);
        for (const key of ["group_id", "subject", "ttl", "first_acquirer"])
          expect(after[key]).toEqual(before[key]);
        expect(after.durable).toBe(message.durable ?? true);
        if (message.priority !== undefined) expect(after.priority).toBe(message.priority);
        if (message.message_id === undefined) expect(after.message_id).toMatch(/^[0-9a-f]{32}$/);
        else expect(after.message_id).toBe(message.message_id);
        expect(after.delivery_count).toBe(3);
        expect(after.message_annotations).toMatchObject({
          "x-opt-sequence-number": 2 ** 33 + 5,
          "x-opt-locked-until": new Date(1_800_000_000_123),
          "x-opt-enqueued-time": new Date(1_800_000_000_000),
          "x-opt-message-state": 0,
        });
      }),
    );
  });

  test("application properties are added or replaced, the rest stays", () => {
    fc.assert(
      fc.property(
        messages,
        fc.dictionary(keys, fc.string(), { noNullPrototype: true }),
        (message, changes) => {
          const bytes = encode(message);
          const request = decodeRequest(encode({ body: { "properties-to-modify": changes } }));
          const content = withApplicationProperties(readMessage(bytes).content, propertiesToModify(request));
          const after = decode(content);
          expect(after.application_properties ?? {}).toEqual({
            // As AMQP has it: its whole numbers know no -0.
            ...(decode(bytes).application_properties as object | undefined),
            ...changes,
          });
          expect(after.body).toEqual(decode(bytes).body);
          expect(after.subject).toEqual(message.subject);
        },
      ),
    );
  });

  test("bytes of any kind are read or refused, nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const read of [readMessage, readBatch]) {
          try {
            read(Buffer.from(noise));
          } catch (thrown) {
            expect((thrown as Error).name).toBe("Refusal");
          }
        }
      }),
    );
  });

  test("a message cut short anywhere is refused", () => {
    const whole = encode({ message_id: "m", application_properties: { a: 1 }, body: "text" });
    for (let length = 0; length < whole.length - 1; length++) {
      expect(() => readMessage(whole.subarray(0, length))).toThrow();
    }
  });
});

test("a lock token's two ways to be written", () => {
  const uuid = Buffer.from("00112233445566778899aabbccddeeff", "hex");
  expect(tagOfUuid(uuid).toString("hex")).toBe("33221100554477668899aabbccddeeff");
  expect(uuidOfTag(tagOfUuid(uuid))).toEqual(uuid);
});

test.each([
  ["q", { kind: "entity", entity: "q" }],
  ["/q/", { kind: "entity", entity: "q" }],
  ["amqps://host/a/b", { kind: "entity", entity: "a/b" }],
  ["q/$DeadLetterQueue/$management", { kind: "management", entity: "q/$DeadLetterQueue" }],
  ["$cbs", { kind: "cbs" }],
  ["", undefined],
  [null, undefined],
])("address %s", (text, address) => {
  expect(parseAddress(text)).toEqual(address);
});

describe("tokens", () => {
  const now = 1_800_000_000_000;
  const sas = (parts: string) => `SharedAccessSignature ${parts}`;
  const good = "sr=sb%3A%2F%2Fx&sig=abc&se=1800000100&skn=any";
  const put = (token: unknown, type = "servicebus.windows.net:sastoken") =>
    answerPutToken({ operation: "put-token", type, name: "sb://x/q" }, token, now).code;

  test("any key is taken", () => expect(put(sas(good))).toBe(202));
  test("an expired one is not", () => expect(put(sas(good.replace("18000001", "17000001")))).toBe(401));
  test.each(["", "x", sas(""), sas("sr=a&sig=b&se=soon&skn=c"), undefined])("%s is none", (token) => {
    expect(put(token)).toBe(401);
  });
  const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c`;
  test.each([
    ["any JWT that has not expired", jwt({ exp: 1_800_000_001 }), 202],
    ["one that has", jwt({ exp: 1_800_000_000 }), 401],
    ["one without an expiry", jwt({}), 401],
    ["one that holds no claims", jwt(null), 401],
    ["what is none", "a.b.c", 401],
  ])("%s", (_, token, code) => expect(put(token, "jwt")).toBe(code));
  test("another type or operation is refused", () => {
    expect(put(sas(good), "other")).toBe(400);
    expect(answerPutToken({ operation: "get" }, sas(good), now).code).toBe(400);
    expect(answerPutToken(undefined, undefined, now).code).toBe(400);
  });
});
