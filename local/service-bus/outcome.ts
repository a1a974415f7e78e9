import rhea from "rhea";
import type { Outcome } from "./consumer.ts";
import { type AmqpError, CONDITION, NO_TRANSACTIONS } from "./errors.ts";
import { deadLetterProperties, type PropertyChanges } from "./message-edit.ts";
import type { TypedValue } from "./rhea-inside.ts";

/** What the delivery states of AMQP mean for a message. */
const STATE = {
  accepted: 0x24,
  rejected: 0x25,
  released: 0x26,
  modified: 0x27,
  transactional: 0x34,
} as const;

const SYMBOLS: Record<string, number> = {
  "amqp:accepted:list": STATE.accepted,
  "amqp:rejected:list": STATE.rejected,
  "amqp:released:list": STATE.released,
  "amqp:modified:list": STATE.modified,
  "amqp:transactional-state:list": STATE.transactional,
};

const AMQP_NULL = 0x40;

/** What a peer says of a message; undefined when that decides nothing yet, an error when it cannot be had. */
export function outcomeOf(
  state: TypedValue | null | undefined,
  settled: boolean,
): Outcome | AmqpError | undefined {
  const fields = Array.isArray(state?.value) ? (state.value as (TypedValue | null)[]) : [];
  switch (codeOf(state)) {
    case STATE.accepted:
      return { kind: "complete" };
    case STATE.released:
      return { kind: "release" };
    case STATE.modified:
      return { kind: fields[1]?.value === true ? "defer" : "abandon", changes: mapEntries(fields[2]) };
    case STATE.rejected:
      return { kind: "deadLetter", changes: rejectionProperties(fields[0]) };
    case STATE.transactional:
      return NO_TRANSACTIONS;
    default:
      // Settled without an outcome: the peer will not look at it any more.
      return settled ? { kind: "abandon" } : undefined;
  }
}

export function isTransactional(state: TypedValue | null | undefined): boolean {
  return codeOf(state) === STATE.transactional;
}

function codeOf(state: TypedValue | null | undefined): unknown {
  const described = state?.descriptor?.value;
  return typeof described === "string" ? SYMBOLS[described] : described;
}

/** `error{condition, description, info{DeadLetterReason, DeadLetterErrorDescription, ...}}` of a rejection. */
function rejectionProperties(error: TypedValue | null | undefined): PropertyChanges {
  const [condition, description, info] = Array.isArray(error?.value)
    ? (error.value as (TypedValue | null)[])
    : [];
  const changes = new Map(mapEntries(info));
  // The SDK writes nulls where the application gave no reason.
  for (const key of ["DeadLetterReason", "DeadLetterErrorDescription"]) {
    if (changes.get(key)?.[0] === AMQP_NULL) changes.delete(key);
  }
  if (condition?.value === CONDITION.deadLetter || condition?.value == null) return changes;
  // Another client's rejection: its condition says why.
  return deadLetterProperties(String(condition.value), text(description), changes);
}

function text(value: TypedValue | null | undefined): string | undefined {
  return typeof value?.value === "string" ? value.value : undefined;
}

/** A map as rhea reads it (keys and values in turn), each value encoded again with the type it came with. */
export function mapEntries(map: TypedValue | null | undefined): PropertyChanges {
  const entries = new Map<string, Buffer>();
  if (!Array.isArray(map?.value)) return entries;
  const items = map.value as TypedValue[];
  for (let n = 0; n + 1 < items.length; n += 2) {
    entries.set(String(items[n]?.value), encodeTyped(items[n + 1]));
  }
  return entries;
}

interface Writer {
  write(value: unknown): void;
  toBuffer(): Buffer;
}

function encodeTyped(value: unknown): Buffer {
  const { Writer: RheaWriter } = rhea.types as unknown as { Writer: new () => Writer };
  const writer = new RheaWriter();
  writer.write(value);
  return Buffer.from(writer.toBuffer());
}
