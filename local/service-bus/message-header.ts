import { readCompound, readInteger, type Section, skipValue } from "./amqp-bytes.ts";

/** What a sender's header says of a message. */
export interface SentHeader {
  readonly ttlMs: number | undefined;
  /**
   * The rest of it in one number: the priority in the low byte, flags above. Undefined where it says nothing; a bare
   * priority is what stores of older versions hold.
   */
  readonly code: number | undefined;
}

const PRIORITY = 0xff;
const NO_PRIORITY = 0x100;
const NOT_DURABLE = 0x200;
const ACQUIRED_BEFORE = 0x400;
const FIRST_ACQUIRER = 0x800;
/** Not of the header, but kept with it: the message was scheduled before it became ready. */
const WAS_SCHEDULED = 0x1000;

const NULL = 0x40;
const TRUE = 0x41;
const FALSE = 0x42;
const BOOLEAN = 0x56;

export function readHeader(bytes: Buffer, section: Section): SentHeader {
  const list = readCompound(bytes, section.value);
  let [ttlMs, priority]: (number | undefined)[] = [undefined, undefined];
  let flags = 0;
  let at = list.start;
  for (let field = 0; field < list.count && at < list.end; field++) {
    if (field === 0 && isTrue(bytes, at) === false) flags |= NOT_DURABLE;
    else if (field === 1) priority = readInteger(bytes, at);
    else if (field === 2) ttlMs = readInteger(bytes, at);
    else if (field === 3) flags |= acquirer(isTrue(bytes, at));
    at = skipValue(bytes, at);
  }
  if (priority === undefined && flags === 0) return { ttlMs, code: undefined };
  return { ttlMs, code: flags | (priority === undefined ? NO_PRIORITY : priority & PRIORITY) };
}

const acquirer = (first: boolean | undefined) =>
  first === undefined ? 0 : first ? FIRST_ACQUIRER : ACQUIRED_BEFORE;

function isTrue(bytes: Buffer, at: number): boolean | undefined {
  const code = bytes[at] === BOOLEAN ? (bytes[at + 1] === 0 ? FALSE : TRUE) : bytes[at];
  return code === TRUE ? true : code === FALSE ? false : undefined;
}

/** The code of a message that was scheduled. */
export function markScheduled(code: number | null): number {
  return (code ?? NO_PRIORITY) | WAS_SCHEDULED;
}

export function wasScheduled(code: number | null): boolean {
  return ((code ?? 0) & WAS_SCHEDULED) !== 0;
}

/** Longest header section: described list of durable, priority, ttl, first-acquirer, delivery-count. */
export const HEADER_BYTES = 3 + 3 + 1 + 2 + 5 + 1 + 5;

/** Writes the header section as it goes out; returns where it ends. */
export function writeHeader(
  buffer: Buffer,
  { header, ttlMs }: { readonly header: number | null; readonly ttlMs: number | null },
  deliveryCount: number,
): number {
  const code = header ?? NO_PRIORITY;
  buffer[0] = 0x00;
  buffer[1] = 0x53;
  buffer[2] = 0x70;
  buffer[3] = 0xc0;
  buffer[5] = 5;
  let at = 6;
  buffer[at++] = (code & NOT_DURABLE) === 0 ? TRUE : FALSE;
  if ((code & NO_PRIORITY) !== 0) buffer[at++] = NULL;
  else {
    buffer[at++] = 0x50;
    buffer[at++] = code & PRIORITY;
  }
  if (ttlMs === null) buffer[at++] = NULL;
  else {
    buffer[at++] = 0x70;
    at = buffer.writeUInt32BE(Math.min(ttlMs, 0xffff_ffff), at);
  }
  buffer[at++] = (code & FIRST_ACQUIRER) !== 0 ? TRUE : (code & ACQUIRED_BEFORE) !== 0 ? FALSE : NULL;
  if (deliveryCount === 0) buffer[at++] = 0x43;
  else {
    buffer[at++] = 0x70;
    at = buffer.writeUInt32BE(deliveryCount, at);
  }
  buffer[4] = at - 5;
  return at;
}
