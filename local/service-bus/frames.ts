import { encodeCompound, encodeText } from "./amqp-bytes.ts";
import type { AmqpError } from "./errors.ts";

/**
 * The three frames that every message costs, written by hand: rhea builds each from a tree of typed objects, which
 * is most of what a small message costs.
 */

const FRAME_HEAD_BYTES = 8;
/** Frame head, performative, handle, delivery id, tag of 16 bytes, format, settled, more. */
const TRANSFER_BYTES = FRAME_HEAD_BYTES + 3 + 3 + 5 + 5 + 18 + 1 + 1 + 1;
export const TRANSFER_OVERHEAD_BYTES = TRANSFER_BYTES;

function head(buffer: Buffer, size: number, channel: number, performative: number): void {
  buffer.writeUInt32BE(size, 0);
  buffer[4] = 2;
  buffer[5] = 0;
  buffer[6] = channel >>> 8;
  buffer[7] = channel & 0xff;
  buffer[8] = 0x00;
  buffer[9] = 0x53;
  buffer[10] = performative;
}

function uint(buffer: Buffer, at: number, value: number): number {
  buffer[at] = 0x70;
  return buffer.writeUInt32BE(value >>> 0, at + 1);
}

export interface TransferFacts {
  readonly channel: number;
  readonly handle: number;
  readonly deliveryId: number;
  /** 16 bytes. */
  readonly tag: Buffer;
  readonly settled: boolean;
}

/** Frames of one message, as one buffer, and how many they are; each is at most `maxFrameBytes`. */
export function transferFrames(
  facts: TransferFacts,
  payload: Buffer,
  maxFrameBytes: number,
): { bytes: Buffer; frames: number } {
  const room = maxFrameBytes - TRANSFER_BYTES;
  const frames = Math.max(1, Math.ceil(payload.length / room));
  const bytes = Buffer.allocUnsafe(payload.length + frames * TRANSFER_BYTES);
  let at = 0;
  for (let n = 0; n < frames; n++) {
    const start = n * room;
    const end = Math.min(start + room, payload.length);
    at = writeTransfer(bytes.subarray(at), facts, n + 1 < frames, payload, start, end) + at;
  }
  return { bytes, frames };
}

export function transferFrameCount(payloadBytes: number, maxFrameBytes: number): number {
  return Math.max(1, Math.ceil(payloadBytes / (maxFrameBytes - TRANSFER_BYTES)));
}

function writeTransfer(
  buffer: Buffer,
  facts: TransferFacts,
  more: boolean,
  payload: Buffer,
  start: number,
  end: number,
): number {
  const size = TRANSFER_BYTES + end - start;
  head(buffer, size, facts.channel, 0x14);
  buffer[11] = 0xc0;
  buffer[12] = TRANSFER_BYTES - 13;
  buffer[13] = 6;
  let at = uint(buffer, 14, facts.handle);
  at = uint(buffer, at, facts.deliveryId);
  buffer[at] = 0xa0;
  buffer[at + 1] = 16;
  at += 2 + facts.tag.copy(buffer, at + 2, 0, 16);
  buffer[at++] = 0x43;
  buffer[at++] = facts.settled ? 0x41 : 0x42;
  buffer[at++] = more ? 0x41 : 0x42;
  payload.copy(buffer, at, start, end);
  return size;
}

export const ACCEPTED = Buffer.from([0x00, 0x53, 0x24, 0x45]);

/** The outcome `rejected`, with its error. */
export function rejected(error: AmqpError): Buffer {
  const fields = encodeCompound("list", 2, [
    encodeText(error.condition, "symbol"),
    encodeText(error.description),
  ]);
  const described = Buffer.concat([Buffer.from([0x00, 0x53, 0x1d]), fields]);
  return Buffer.concat([Buffer.from([0x00, 0x53, 0x25]), encodeCompound("list", 1, [described])]);
}

/** Settles deliveries `first` to `last`; `asReceiver`: those that came in. */
export function dispositionFrame(
  channel: number,
  asReceiver: boolean,
  first: number,
  last: number,
  state: Buffer,
): Buffer {
  // Role, first, last, settled; the list is written with four-byte sizes, as an error text may be long.
  const fields = 1 + 5 + 5 + 1 + state.length;
  const size = FRAME_HEAD_BYTES + 3 + 9 + fields;
  const buffer = Buffer.allocUnsafe(size);
  head(buffer, size, channel, 0x15);
  buffer[11] = 0xd0;
  buffer.writeUInt32BE(fields + 4, 12);
  buffer.writeUInt32BE(5, 16);
  buffer[20] = asReceiver ? 0x41 : 0x42;
  let at = uint(buffer, 21, first);
  at = uint(buffer, at, last);
  buffer[at] = 0x41;
  state.copy(buffer, at + 1);
  return buffer;
}

export interface FlowFacts {
  readonly channel: number;
  readonly nextIncomingId: number;
  readonly incomingWindow: number;
  readonly nextOutgoingId: number;
  readonly outgoingWindow: number;
  readonly handle: number;
  readonly deliveryCount: number;
}

/** "Drained": no credit is left, and there was nothing more to send for it. */
export function drainedFrame(facts: FlowFacts): Buffer {
  const size = FRAME_HEAD_BYTES + 3 + 3 + 7 * 5 + 2;
  const buffer = Buffer.allocUnsafe(size);
  head(buffer, size, facts.channel, 0x13);
  buffer[11] = 0xc0;
  buffer[12] = size - 13;
  buffer[13] = 9;
  let at = uint(buffer, 14, facts.nextIncomingId);
  at = uint(buffer, at, facts.incomingWindow);
  at = uint(buffer, at, facts.nextOutgoingId);
  at = uint(buffer, at, facts.outgoingWindow);
  at = uint(buffer, at, facts.handle);
  at = uint(buffer, at, facts.deliveryCount);
  at = uint(buffer, at, 0);
  buffer[at] = 0x40;
  buffer[at + 1] = 0x41;
  return buffer;
}
