import { encodeCompound, encodeText, readCompound, readSection, readText, skipValue } from "./amqp-bytes.ts";

/** Application properties to set, each value encoded already. */
export type PropertyChanges = ReadonlyMap<string, Buffer>;

const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const EXPIRY_FIELD = 8;
const CREATION_FIELD = 9;
const TIMESTAMP = 0x83;

/** The content (sections from the properties on) with these application properties added or replaced. */
export function withApplicationProperties(content: Buffer, changes: PropertyChanges): Buffer {
  if (changes.size === 0) return content;
  let entries = new Map<string, Buffer>();
  let before = 0;
  let after = 0;
  for (let at = 0; at < content.length; ) {
    const section = readSection(content, at);
    if (section.code > APPLICATION_PROPERTIES) break;
    at = section.end;
    after = section.end;
    if (section.code === PROPERTIES) before = section.end;
    else entries = readEntries(content, section.value);
  }
  for (const [key, value] of changes) entries.set(key, value);
  const parts = [...entries].flatMap(([key, value]) => [encodeText(key), value]);
  return Buffer.concat([
    content.subarray(0, before),
    Buffer.from([0x00, 0x53, APPLICATION_PROPERTIES]),
    encodeCompound("map", parts.length, parts),
    content.subarray(after),
  ]);
}

/**
 * The content with these times (Unix ms) as its creation and expiry, where the sender wrote any: a .NET client takes
 * them for when the message came and when it goes, over what the header says.
 */
export function withLifetime(content: Buffer, enqueuedAt: number, expiresAt: number): Buffer {
  const section = readSection(content, 0);
  if (section.code !== PROPERTIES) return content;
  const fields = readCompound(content, section.value);
  const changed = Buffer.from(content);
  let at = fields.start;
  for (let field = 0; field < fields.count && at < fields.end; field++) {
    const time = field === EXPIRY_FIELD ? expiresAt : field === CREATION_FIELD ? enqueuedAt : undefined;
    if (time !== undefined && content[at] === TIMESTAMP) changed.writeBigInt64BE(BigInt(time), at + 1);
    at = skipValue(content, at);
  }
  return changed;
}

/** Why a message is dead-lettered, as the application properties that say so. */
export function deadLetterProperties(
  reason: string | undefined,
  description: string | undefined,
  others: PropertyChanges = new Map(),
): PropertyChanges {
  const changes = new Map(others);
  if (reason !== undefined) changes.set("DeadLetterReason", encodeText(reason));
  if (description !== undefined) changes.set("DeadLetterErrorDescription", encodeText(description));
  return changes;
}

/** The entries of a map, each value as it is written. Throws Refusal if it is not a map. */
export function readEntries(bytes: Buffer, at: number): Map<string, Buffer> {
  const entries = new Map<string, Buffer>();
  const map = readCompound(bytes, at);
  let key = map.start;
  for (let pair = 0; pair + 1 < map.count && key < map.end; pair += 2) {
    const value = skipValue(bytes, key);
    const end = skipValue(bytes, value);
    entries.set(readText(bytes, key) ?? "", bytes.subarray(value, end));
    key = end;
  }
  return entries;
}
