import { type KeyPart, keyOfText } from "./partition-key.ts";

/**
 * The effective key of a partition key: where it lies in the hash range that physical partitions divide among
 * themselves, as upper-case hexadecimal digits that compare as text. Version 2 of the service's hashing, in which each
 * component is hashed on its own: the effective key of a prefix is a prefix of the whole key's.
 */
export function effectiveKey(parts: readonly KeyPart[]): string {
  return parts.map(hashed).join("");
}

/** A feed of a part of the range looks at each of a container's keys, page after page. */
const MAX_KNOWN = 10_000;
const known = new Map<string, string>();

/** Whether a stored key's effective key is at least `from`, and before `to`. */
export function isInRange(stored: string, from: string, to: string): boolean {
  let key = known.get(stored);
  if (key === undefined) {
    key = effectiveKey(keyOfText(stored));
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(stored, key);
  }
  return key >= from && key < to;
}

/** What the bytes of a component begin with, by its type; a text also ends with one. */
const MARK = { undefined: 0x00, null: 0x01, false: 0x02, true: 0x03, number: 0x05, text: 0x08, end: 0xff };

function bytesOf(part: KeyPart): Buffer {
  if (part === null) return Buffer.of(MARK.null);
  switch (typeof part) {
    case "string":
      return Buffer.concat([Buffer.of(MARK.text), Buffer.from(part), Buffer.of(MARK.end)]);
    case "number": {
      const bytes = Buffer.alloc(9);
      bytes.writeUInt8(MARK.number);
      bytes.writeDoubleLE(part, 1);
      return bytes;
    }
    case "boolean":
      return Buffer.of(part ? MARK.true : MARK.false);
    default:
      return Buffer.of(MARK.undefined);
  }
}

/** The two highest bits are cleared: the end of all ranges, `FF`, lies behind every key. */
function hashed(part: KeyPart): string {
  const [low, high] = murmur128(bytesOf(part));
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(high, 0);
  bytes.writeBigUInt64BE(low, 8);
  bytes[0] = (bytes[0] as number) & 0x3f;
  return bytes.toString("hex").toUpperCase();
}

const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;
const BLOCK_BYTES = 16;

const u64 = (value: bigint) => BigInt.asUintN(64, value);
const rotated = (value: bigint, bits: bigint) => u64(value << bits) | (value >> (64n - bits));
const mixedLow = (k: bigint) => u64(rotated(u64(k * C1), 31n) * C2);
const mixedHigh = (k: bigint) => u64(rotated(u64(k * C2), 33n) * C1);

function finished(h: bigint): bigint {
  let k = h;
  k = u64((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn);
  k = u64((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return k ^ (k >> 33n);
}

/** MurmurHash3 of 128 bits for 64-bit machines, seed 0. */
function murmur128(bytes: Buffer): [low: bigint, high: bigint] {
  let [low, high] = [0n, 0n];
  const blocks = bytes.length - (bytes.length % BLOCK_BYTES);
  for (let at = 0; at < blocks; at += BLOCK_BYTES) {
    low ^= mixedLow(bytes.readBigUInt64LE(at));
    low = u64((rotated(low, 27n) + high) * 5n + 0x52dce729n);
    high ^= mixedHigh(bytes.readBigUInt64LE(at + 8));
    high = u64((rotated(high, 31n) + low) * 5n + 0x38495ab5n);
  }
  const tail = Buffer.alloc(BLOCK_BYTES);
  bytes.copy(tail, 0, blocks);
  high ^= mixedHigh(tail.readBigUInt64LE(8));
  low ^= mixedLow(tail.readBigUInt64LE(0));
  low ^= BigInt(bytes.length);
  high ^= BigInt(bytes.length);
  low = u64(low + high);
  high = u64(high + low);
  low = finished(low);
  high = finished(high);
  low = u64(low + high);
  high = u64(high + low);
  return [low, high];
}
