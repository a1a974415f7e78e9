import { encodeText } from "./amqp-bytes.ts";
import { HEADER_BYTES, wasScheduled, writeHeader } from "./message-header.ts";
import type { StoredMessage } from "./store.ts";

/** `x-opt-message-state`. */
export const MESSAGE_STATE = { active: 0, deferred: 1, scheduled: 2 } as const;
export type MessageState = (typeof MESSAGE_STATE)[keyof typeof MESSAGE_STATE];

const symbol = (text: string) => encodeText(text, "symbol");
const SEQUENCE_NUMBER = symbol("x-opt-sequence-number");
const ENQUEUE_SEQUENCE_NUMBER = symbol("x-opt-enqueue-sequence-number");
const ENQUEUED_TIME = symbol("x-opt-enqueued-time");
const LOCKED_UNTIL = symbol("x-opt-locked-until");
const STATE = symbol("x-opt-message-state");
const DEAD_LETTER_SOURCE = symbol("x-opt-deadletter-source");

const KEYS_BYTES =
  SEQUENCE_NUMBER.length +
  ENQUEUE_SEQUENCE_NUMBER.length +
  ENQUEUED_TIME.length +
  LOCKED_UNTIL.length +
  STATE.length;
const VALUE_BYTES = 9;
/** `[section][map32 size count]`, five of our own keys and values. */
const ANNOTATIONS_BYTES = 3 + 9 + KEYS_BYTES + 5 * VALUE_BYTES;
const LONG = 0x81;
const TIMESTAMP = 0x83;

/** What differs from one delivery of a message to the next. */
export interface DeliveryFacts {
  readonly sequenceNumber: number;
  readonly deliveryCount: number;
  /** Unix time, ms; undefined when it is not locked. */
  readonly lockedUntil: number | undefined;
  readonly state: MessageState;
}

/** The message as it goes out: header and annotations are written again, the rest is as it was sent. */
export function encodeMessage(stored: StoredMessage, facts: DeliveryFacts, withBody = true): Buffer {
  const { annotations, content, deadLetterSource } = stored;
  const source = deadLetterSource === null ? undefined : encodeText(deadLetterSource);
  const sourceBytes = source === undefined ? 0 : DEAD_LETTER_SOURCE.length + source.length;
  const annotationBytes = annotations === null ? 0 : annotations.length - 4;
  const contentBytes = withBody ? content.length : 0;
  const buffer = Buffer.allocUnsafe(
    HEADER_BYTES + ANNOTATIONS_BYTES + sourceBytes + annotationBytes + contentBytes,
  );
  let at = writeHeader(buffer, stored, facts.deliveryCount);
  buffer[at] = 0x00;
  buffer[at + 1] = 0x53;
  buffer[at + 2] = 0x72;
  buffer[at + 3] = 0xd1;
  const size = at + 4;
  at += 12;
  let count = 8;
  at = writeLong(buffer, at, SEQUENCE_NUMBER, LONG, facts.sequenceNumber);
  at = writeLong(buffer, at, ENQUEUE_SEQUENCE_NUMBER, LONG, stored.enqueueSequence ?? 0);
  at = writeLong(buffer, at, ENQUEUED_TIME, TIMESTAMP, stored.enqueuedAt);
  if (facts.lockedUntil !== undefined) {
    at = writeLong(buffer, at, LOCKED_UNTIL, TIMESTAMP, facts.lockedUntil);
    count += 2;
  }
  at += STATE.copy(buffer, at);
  buffer[at++] = 0x54;
  buffer[at++] = stateOf(stored, facts.state);
  if (source !== undefined) {
    at += DEAD_LETTER_SOURCE.copy(buffer, at);
    at += source.copy(buffer, at);
    count += 2;
  }
  if (annotations !== null) {
    count += annotations.readUInt32BE(0);
    at += annotations.copy(buffer, at, 4);
  }
  buffer.writeUInt32BE(at - size - 4, size);
  buffer.writeUInt32BE(count, size + 4);
  if (withBody) at += content.copy(buffer, at);
  return buffer.subarray(0, at);
}

/** A message says that it was scheduled, in its own queue, even when it has become ready. */
function stateOf({ header, deadLetterSource }: StoredMessage, state: MessageState): MessageState {
  const arrived = state === MESSAGE_STATE.active && deadLetterSource === null;
  return arrived && wasScheduled(header) ? MESSAGE_STATE.scheduled : state;
}

function writeLong(buffer: Buffer, at: number, key: Buffer, code: number, value: number): number {
  const start = at + key.copy(buffer, at);
  buffer[start] = code;
  buffer.writeUInt32BE(Math.floor(value / 4_294_967_296), start + 1);
  buffer.writeUInt32BE(value % 4_294_967_296, start + 5);
  return start + 9;
}
