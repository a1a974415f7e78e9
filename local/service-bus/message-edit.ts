import { encodeCompound, encodeText, readCompound, readSection, readText, skipValue } from "./amqp-bytes.ts";

/** Application properties to set, each value encoded already. */
export type PropertyChanges = ReadonlyMap<string, Buffer>;

const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;

/** The content (sections from the properties on) with these application properties added or replaced. */
export function withApplicationProperties(content: Buffer, changes: PropertyChanges): Buffer {
  if (changes.size === 0) return content;
  const entries = new Map<string, Buffer>();
  let before = 0;
  let after = 0;
  for (let at = 0; at < content.length; ) {
    const section = readSection(content, at);
    if (section.code > APPLICATION_PROPERTIES) break;
    at = section.end;
    after = section.end;
    if (section.code === PROPERTIES) before = section.end;
    else readEntries(content, section.value, entries);
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

function readEntries(content: Buffer, at: number, entries: Map<string, Buffer>): void {
  const map = readCompound(content, at);
  let key = map.start;
  for (let pair = 0; pair + 1 < map.count && key < map.end; pair += 2) {
    const value = skipValue(content, key);
    const end = skipValue(content, value);
    entries.set(readText(content, key) ?? "", content.subarray(value, end));
    key = end;
  }
}
