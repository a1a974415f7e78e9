import { CONDITION, Refusal } from "./errors.ts";

/**
 * Reading AMQP 1.0 values where they lie, without building them: a broker looks at few of a message's fields and
 * must give back the rest to the byte (specification part 1, "Types").
 */

/** Described values nest; a message that nests deeper is malicious. */
const MAX_DESCRIPTORS = 8;

function malformed(what: string): Refusal {
  return new Refusal(CONDITION.decode, `The message is not valid AMQP: ${what}.`);
}

function need(buffer: Buffer, end: number): number {
  if (end > buffer.length) throw malformed("it ends too early");
  return end;
}

/** Position after the value that begins at `at`. */
export function skipValue(buffer: Buffer, at: number, depth = 0): number {
  need(buffer, at + 1);
  const code = buffer[at] as number;
  if (code === 0x00) {
    if (depth > MAX_DESCRIPTORS) throw malformed("descriptors nest too deep");
    return skipValue(buffer, skipValue(buffer, at + 1, depth + 1), depth + 1);
  }
  switch (code >>> 4) {
    case 0x4:
      return at + 1;
    case 0x5:
      return need(buffer, at + 2);
    case 0x6:
      return need(buffer, at + 3);
    case 0x7:
      return need(buffer, at + 5);
    case 0x8:
      return need(buffer, at + 9);
    case 0x9:
      return need(buffer, at + 17);
    case 0xa:
    case 0xc:
    case 0xe:
      need(buffer, at + 2);
      return need(buffer, at + 2 + (buffer[at + 1] as number));
    case 0xb:
    case 0xd:
    case 0xf:
      need(buffer, at + 5);
      return need(buffer, at + 5 + buffer.readUInt32BE(at + 1));
    default:
      throw malformed(`type code 0x${code.toString(16)} is unknown`);
  }
}

/** The values of a list or map: how many, where the first begins, where they end. */
export interface Compound {
  readonly count: number;
  readonly start: number;
  readonly end: number;
}

export function readCompound(buffer: Buffer, at: number): Compound {
  const end = skipValue(buffer, at);
  const code = buffer[at];
  if (code === 0x45) return { count: 0, start: end, end };
  if (code === 0xc0 || code === 0xc1) {
    need(buffer, at + 3);
    return { count: buffer[at + 2] as number, start: at + 3, end };
  }
  if (code === 0xd0 || code === 0xd1) {
    need(buffer, at + 9);
    return { count: buffer.readUInt32BE(at + 5), start: at + 9, end };
  }
  throw malformed("a list or map is expected");
}

/** Text of a string or symbol; undefined for any other type. */
export function readText(buffer: Buffer, at: number): string | undefined {
  const code = buffer[at];
  if (code === 0xa1 || code === 0xa3)
    return buffer.toString("utf8", at + 2, at + 2 + (buffer[at + 1] as number));
  if (code === 0xb1 || code === 0xb3)
    return buffer.toString("utf8", at + 5, at + 5 + buffer.readUInt32BE(at + 1));
  return undefined;
}

/** A whole number of any width; undefined for any other type. */
export function readInteger(buffer: Buffer, at: number): number | undefined {
  switch (buffer[at]) {
    case 0x43:
    case 0x44:
      return 0;
    case 0x50:
    case 0x52:
    case 0x53:
      return buffer[at + 1];
    case 0x51:
    case 0x54:
    case 0x55:
      return buffer.readInt8(at + 1);
    case 0x60:
      return buffer.readUInt16BE(at + 1);
    case 0x61:
      return buffer.readInt16BE(at + 1);
    case 0x70:
      return buffer.readUInt32BE(at + 1);
    case 0x71:
      return buffer.readInt32BE(at + 1);
    case 0x80:
      return Number(buffer.readBigUInt64BE(at + 1));
    case 0x81:
    case 0x83:
      return Number(buffer.readBigInt64BE(at + 1));
    default:
      return undefined;
  }
}

/** Bytes of a binary; undefined for any other type. */
export function readBinary(buffer: Buffer, at: number): Buffer | undefined {
  const code = buffer[at];
  if (code === 0xa0) return buffer.subarray(at + 2, at + 2 + (buffer[at + 1] as number));
  if (code === 0xb0) return buffer.subarray(at + 5, at + 5 + buffer.readUInt32BE(at + 1));
  return undefined;
}

/** The key by which two message ids are the same: text, number, uuid or binary. */
export function readMessageId(buffer: Buffer, at: number): string | undefined {
  if (buffer[at] === 0x40) return undefined;
  const text = readText(buffer, at);
  if (text !== undefined) return text;
  const number = readInteger(buffer, at);
  if (number !== undefined) return String(number);
  if (buffer[at] === 0x98) return buffer.toString("hex", at + 1, at + 17);
  const bytes = readBinary(buffer, at);
  if (bytes !== undefined) return bytes.toString("hex");
  throw malformed("the message id has a type it must not have");
}

/** A section of a message: its number (0x70 to 0x78), where it begins, where its value begins and ends. */
export interface Section {
  readonly code: number;
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

export function readSection(buffer: Buffer, at: number): Section {
  if (buffer[at] !== 0x00) throw malformed("a section is expected");
  const value = skipValue(buffer, at + 1);
  const code = readInteger(buffer, at + 1);
  if (code === undefined || code < 0x70 || code > 0x78) throw malformed("an unknown section");
  return { code, start: at, value, end: skipValue(buffer, value) };
}

/** A string (or symbol) as AMQP writes it. */
export function encodeText(text: string, kind: "string" | "symbol" = "string"): Buffer {
  const length = Buffer.byteLength(text);
  const small = length < 256;
  const buffer = Buffer.allocUnsafe(length + (small ? 2 : 5));
  const offset = kind === "string" ? 0 : 2;
  buffer[0] = (small ? 0xa1 : 0xb1) + offset;
  if (small) buffer[1] = length;
  else buffer.writeUInt32BE(length, 1);
  buffer.write(text, small ? 2 : 5, "utf8");
  return buffer;
}

/** A list or map of values that are encoded already. */
export function encodeCompound(kind: "list" | "map", count: number, values: readonly Buffer[]): Buffer {
  const body = values.reduce((sum, value) => sum + value.length, 0);
  const head = Buffer.allocUnsafe(9);
  head[0] = kind === "list" ? 0xd0 : 0xd1;
  head.writeUInt32BE(body + 4, 1);
  head.writeUInt32BE(count, 5);
  return Buffer.concat([head, ...values], body + 9);
}
