import { crc32 } from "node:zlib";
import { badRequest } from "./cosmos-error.ts";

/**
 * Rows in the binary form that the .NET SDK uses for batches (HybridRow, version 1), and streams of such rows
 * (RecordIO). A row is a header, a bit for each schematised field that is there, the fixed fields, the variable ones,
 * and behind those the sparse ones, each with its type and its name's number. All numbers are little-endian.
 */
export interface RowSchema {
  readonly id: number;
  /** Each 4 bytes, and there also when its bit is not set. */
  readonly fixed: readonly string[];
  readonly variable: readonly string[];
  readonly sparse: readonly string[];
}

export type RowValue = number | boolean | Buffer | SparseNumber;
export type Row = Readonly<Record<string, RowValue | undefined>>;

/** A number of a sparse field, which says its type. */
export interface SparseNumber {
  readonly type: "uint32" | "float64";
  readonly value: number;
}

const VERSION = 0x81;
const HEADER_BYTES = 5;
const SEGMENT = 2_147_473_648;
const RECORD = 2_147_473_649;
const SEGMENT_HEAD_BYTES = HEADER_BYTES + 1 + 4;
const RECORD_HEAD_BYTES = HEADER_BYTES + 4 + 4;
const FIXED_BYTES = 4;

/** The types of sparse fields, as those of a batch have them. */
const TYPE = { false: 2, true: 3, int32: 7, uint32: 11, float64: 16, text: 20, binary: 21 };

export const isHybridRow = (bytes: Buffer): boolean => bytes[0] === VERSION;

const damaged = (why: string) => badRequest(`The batch is no HybridRow as this emulator knows it: ${why}.`);

/** @throws CosmosError 400 for a stream that is damaged, or in which a row is of another schema */
export function rowsIn(bytes: Buffer, schema: RowSchema): Row[] {
  try {
    return [...recordsIn(bytes)].map((record) => rowOf(record, schema));
  } catch (thrown) {
    if (thrown instanceof RangeError) throw damaged("it ends too soon");
    throw thrown;
  }
}

function* recordsIn(bytes: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] !== VERSION) throw damaged(`version ${bytes[at]} is not known`);
    const schema = bytes.readInt32LE(at + 1);
    if (schema === SEGMENT) {
      const length = bytes.readInt32LE(at + HEADER_BYTES + 1);
      if (length < SEGMENT_HEAD_BYTES) throw damaged("a segment has no length");
      at += length;
      continue;
    }
    if (schema !== RECORD) throw damaged(`a record has the schema ${schema}`);
    const start = at + RECORD_HEAD_BYTES;
    const end = start + bytes.readInt32LE(at + HEADER_BYTES);
    if (end < start || end > bytes.length) throw damaged("it ends too soon");
    const record = bytes.subarray(start, end);
    if (crc32(record) !== bytes.readUInt32LE(at + HEADER_BYTES + 4)) throw damaged("its checksum is wrong");
    yield record;
    at = end;
  }
}

function rowOf(bytes: Buffer, { id, fixed, variable, sparse }: RowSchema): Row {
  const reader = new Reader(bytes);
  if (reader.byte() !== VERSION || reader.int32() !== id) throw damaged("a row has another schema");
  const names = [...fixed, ...variable];
  const bits = reader.bytes(Math.ceil(names.length / 8));
  const isThere = (name: string) => {
    const at = names.indexOf(name);
    return (((bits[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
  };
  const row: Record<string, RowValue> = {};
  for (const name of fixed) {
    const value = reader.int32();
    if (isThere(name)) row[name] = value;
  }
  for (const name of variable) if (isThere(name)) row[name] = reader.bytes(reader.varint());
  while (!reader.isAtEnd) {
    const type = reader.byte();
    const name = sparse[reader.varint() - names.length - 1];
    if (name === undefined) throw damaged("a field is not of its schema");
    row[name] = sparseValue(type, reader);
  }
  return row;
}

function sparseValue(type: number, reader: Reader): RowValue {
  switch (type) {
    case TYPE.false:
      return false;
    case TYPE.true:
      return true;
    case TYPE.int32:
      return reader.int32();
    case TYPE.text:
    case TYPE.binary:
      return reader.bytes(reader.varint());
    default:
      throw damaged(`a field has the type ${type}`);
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32LE(this.#at - 4);
  }

  bytes(count: number): Buffer {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw damaged("it ends too soon");
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** Seven bits a byte, the lowest first. */
  varint(): number {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }
}

/** A stream of rows, as the SDK reads it. */
export function streamOf(rows: readonly Row[], schema: RowSchema): Buffer {
  const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
  writeHeader(head, SEGMENT);
  head.writeUInt8(1, HEADER_BYTES); // its length is there; the rest of a segment's fields are not
  head.writeInt32LE(SEGMENT_HEAD_BYTES, HEADER_BYTES + 1);
  const parts: Buffer[] = [head];
  for (const row of rows) {
    const bytes = bytesOf(row, schema);
    const record = Buffer.alloc(RECORD_HEAD_BYTES);
    writeHeader(record, RECORD);
    record.writeInt32LE(bytes.length, HEADER_BYTES);
    record.writeUInt32LE(crc32(bytes), HEADER_BYTES + 4);
    parts.push(record, bytes);
  }
  return Buffer.concat(parts);
}

function writeHeader(into: Buffer, schema: number): void {
  into.writeUInt8(VERSION, 0);
  into.writeInt32LE(schema, 1);
}

function bytesOf(row: Row, { id, fixed, variable, sparse }: RowSchema): Buffer {
  const names = [...fixed, ...variable];
  const bits = Math.ceil(names.length / 8);
  const head = Buffer.alloc(HEADER_BYTES + bits + fixed.length * FIXED_BYTES);
  writeHeader(head, id);
  for (const [at, name] of names.entries()) {
    if (row[name] === undefined) continue;
    const place = HEADER_BYTES + (at >> 3);
    head.writeUInt8((head[place] as number) | (1 << (at & 7)), place);
  }
  for (const [at, name] of fixed.entries())
    head.writeInt32LE(Number(row[name] ?? 0), HEADER_BYTES + bits + at * FIXED_BYTES);
  const parts: Buffer[] = [head];
  for (const name of variable) {
    const value = row[name];
    if (Buffer.isBuffer(value)) parts.push(varint(value.length), value);
  }
  for (const [at, name] of sparse.entries()) {
    const value = row[name] as SparseNumber | undefined;
    if (value === undefined) continue;
    parts.push(Buffer.of(TYPE[value.type]), varint(names.length + 1 + at), numberOf(value));
  }
  return Buffer.concat(parts);
}

function numberOf({ type, value }: SparseNumber): Buffer {
  const bytes = Buffer.alloc(type === "float64" ? 8 : 4);
  if (type === "float64") bytes.writeDoubleLE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) + 0x80);
  bytes.push(left);
  return Buffer.from(bytes);
}
