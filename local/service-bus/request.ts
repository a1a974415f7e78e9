import rhea from "rhea";
import { readSection } from "./amqp-bytes.ts";
import { type PropertyChanges, readEntries } from "./message-edit.ts";

/** A request on $cbs or $management. */
export interface Request {
  readonly message_id?: string | number | Buffer;
  readonly reply_to?: string;
  readonly application_properties?: Record<string, unknown>;
  readonly body?: unknown;
  /** The body as it came: rhea's values no longer tell an int from a long, for example. */
  readonly bytes: Buffer;
}

const AMQP_VALUE = 0x77;

export function decodeRequest(bytes: Buffer): Request {
  return { ...(rhea.message.decode(bytes) as object), bytes };
}

/** `properties-to-modify` of a request's body, each value as it came. Throws Refusal if it is not a map. */
export function propertiesToModify({ bytes }: Request): PropertyChanges {
  for (let at = 0; at < bytes.length; ) {
    const section = readSection(bytes, at);
    if (section.code === AMQP_VALUE) {
      const changes = readEntries(bytes, section.value).get("properties-to-modify");
      return changes === undefined ? new Map() : readEntries(changes, 0);
    }
    at = section.end;
  }
  return new Map();
}
