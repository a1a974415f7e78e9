import {
  encodeCompound,
  encodeText,
  readBinary,
  readCompound,
  readInteger,
  readMessageId,
  readSection,
  readText,
  type Section,
  skipValue,
} from "./amqp-bytes.ts";
import { CONDITION, Refusal } from "./errors.ts";
import { MAX_MESSAGE_ID_CHARS, MAX_PROPERTIES_BYTES, MAX_PROPERTY_BYTES } from "./limits.ts";
import { newToken } from "./lock.ts";
import { readHeader } from "./message-header.ts";

/** A message as it was sent, split into what the broker looks at and what it keeps to the byte. */
export interface SentMessage {
  readonly messageId: string;
  readonly session: string | undefined;
  /** Unix time, ms. */
  readonly scheduledAt: number | undefined;
  readonly ttlMs: number | undefined;
  /** What else its header says, as `SentHeader.code`. */
  readonly header: number | undefined;
  /** The sender's annotations: 4 bytes count of keys and values, then those. */
  readonly annotations: Buffer | undefined;
  /** The message from its properties on, with a message id if it came without one. */
  readonly content: Buffer;
}

const HEADER = 0x70;
const MESSAGE_ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const DATA = 0x75;
/** Messages of one batch; the size bounds it too. */
const MAX_BATCH_MESSAGES = 4_500;

/** Annotations that are the broker's to give; a message received and sent again still has them. */
const BROKERS_OWN: ReadonlySet<string> = new Set([
  "x-opt-sequence-number",
  "x-opt-enqueue-sequence-number",
  "x-opt-enqueued-time",
  "x-opt-locked-until",
  "x-opt-message-state",
  "x-opt-deadletter-source",
]);

interface Draft {
  messageId: string | undefined;
  session: string | undefined;
  scheduledAt: number | undefined;
  ttlMs: number | undefined;
  header: number | undefined;
  annotations: Buffer | undefined;
  contentStart: number;
  properties: Section | undefined;
}

/** Throws Refusal for what is not one whole AMQP message. */
export function readMessage(bytes: Buffer): SentMessage {
  const draft: Draft = {
    messageId: undefined,
    session: undefined,
    scheduledAt: undefined,
    ttlMs: undefined,
    header: undefined,
    annotations: undefined,
    contentStart: bytes.length,
    properties: undefined,
  };
  let last = 0;
  let propertiesBytes = 0;
  for (let at = 0; at < bytes.length; ) {
    const section = readSection(bytes, at);
    if (section.code < last) return readMessage(inOrder(bytes));
    last = section.code;
    if (section.code > HEADER && section.code < DATA) propertiesBytes += section.end - section.start;
    if (section.code === APPLICATION_PROPERTIES) checkPropertySizes(bytes, section);
    if (section.code === HEADER) {
      const { ttlMs, code } = readHeader(bytes, section);
      draft.ttlMs = ttlMs;
      draft.header = code;
    }
    if (section.code === MESSAGE_ANNOTATIONS) readAnnotations(bytes, section, draft);
    else if (section.code === PROPERTIES) readProperties(bytes, section, draft);
    if (section.code >= PROPERTIES) draft.contentStart = Math.min(draft.contentStart, section.start);
    at = section.end;
  }
  if (last < DATA) throw new Refusal(CONDITION.decode, "The message has no body.");
  if (propertiesBytes > MAX_PROPERTIES_BYTES) throw propertiesTooLarge("The properties", propertiesBytes);
  checkLength("message id", draft.messageId);
  checkLength("session id", draft.session);
  const { messageId = newToken().toString("hex") } = draft;
  return {
    messageId,
    session: draft.session,
    scheduledAt: draft.scheduledAt,
    ttlMs: draft.ttlMs,
    header: draft.header,
    annotations: draft.annotations,
    content:
      draft.messageId === undefined
        ? withMessageId(bytes, draft, messageId)
        : Buffer.from(bytes.subarray(draft.contentStart)),
  };
}

/** The messages of a batch (message format 0x80013700): one in each data section. */
export function readBatch(bytes: Buffer): SentMessage[] {
  const messages: SentMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const section = readSection(bytes, at);
    if (section.code === DATA) {
      const message = readBinary(bytes, section.value);
      if (message === undefined) throw new Refusal(CONDITION.decode, "A batch holds what is no message.");
      if (messages.length >= MAX_BATCH_MESSAGES) {
        throw new Refusal(CONDITION.resourceLimit, `A batch holds at most ${MAX_BATCH_MESSAGES} messages.`);
      }
      messages.push(readMessage(message));
    }
    at = section.end;
  }
  if (messages.length === 0) throw new Refusal(CONDITION.decode, "The batch holds no message.");
  return messages;
}

/** The same sections, each where the standard has it: rhea writes a footer before the body. */
function inOrder(bytes: Buffer): Buffer {
  const sections: Section[] = [];
  for (let at = 0; at < bytes.length; ) {
    const section = readSection(bytes, at);
    sections.push(section);
    at = section.end;
  }
  sections.sort((a, b) => a.code - b.code);
  return Buffer.concat(sections.map(({ start, end }) => bytes.subarray(start, end)));
}

function checkPropertySizes(bytes: Buffer, section: Section): void {
  if (section.end - section.start <= MAX_PROPERTY_BYTES) return;
  const map = readCompound(bytes, section.value);
  let at = map.start;
  for (let pair = 0; pair + 1 < map.count && at < map.end; pair += 2) {
    const end = skipValue(bytes, skipValue(bytes, at));
    if (end - at > MAX_PROPERTY_BYTES) throw propertiesTooLarge("A property", end - at);
    at = end;
  }
}

function propertiesTooLarge(what: string, size: number): Refusal {
  return new Refusal(
    CONDITION.argument,
    `${what} of the message (${size} bytes) exceed what is allowed: ${MAX_PROPERTY_BYTES} bytes each, ${MAX_PROPERTIES_BYTES} together.`,
  );
}

function checkLength(what: string, text: string | undefined): void {
  if (text !== undefined && text.length > MAX_MESSAGE_ID_CHARS) {
    throw new Refusal(
      CONDITION.argumentOutOfRange,
      `The ${what} is ${text.length} characters long; at most ${MAX_MESSAGE_ID_CHARS} are allowed.`,
    );
  }
}

function readAnnotations(bytes: Buffer, section: Section, draft: Draft): void {
  const map = readCompound(bytes, section.value);
  const kept: Buffer[] = [];
  let at = map.start;
  for (let pair = 0; pair + 1 < map.count && at < map.end; pair += 2) {
    const value = skipValue(bytes, at);
    const end = skipValue(bytes, value);
    const key = readText(bytes, at) ?? "";
    if (key === "x-opt-scheduled-enqueue-time") draft.scheduledAt = readInteger(bytes, value);
    if (!BROKERS_OWN.has(key)) kept.push(bytes.subarray(at, end));
    at = end;
  }
  if (kept.length === 0) return;
  const count = Buffer.allocUnsafe(4);
  count.writeUInt32BE(kept.length * 2);
  draft.annotations = Buffer.concat([count, ...kept]);
}

function readProperties(bytes: Buffer, section: Section, draft: Draft): void {
  const list = readCompound(bytes, section.value);
  draft.properties = section;
  let at = list.start;
  for (let field = 0; field < list.count && at < list.end; field++) {
    if (field === 0) draft.messageId = readMessageId(bytes, at);
    else if (field === 10) draft.session = readText(bytes, at);
    at = skipValue(bytes, at);
  }
}

/** The content with its properties' first field, the message id, filled in. */
function withMessageId(bytes: Buffer, draft: Draft, messageId: string): Buffer {
  const head = Buffer.from([0x00, 0x53, PROPERTIES]);
  const id = encodeText(messageId);
  const { properties } = draft;
  if (properties === undefined) {
    return Buffer.concat([head, encodeCompound("list", 1, [id]), bytes.subarray(draft.contentStart)]);
  }
  const list = readCompound(bytes, properties.value);
  const others = list.count === 0 ? list.end : skipValue(bytes, list.start);
  return Buffer.concat([
    head,
    encodeCompound("list", Math.max(list.count, 1), [id, bytes.subarray(others, list.end)]),
    bytes.subarray(properties.end),
  ]);
}
