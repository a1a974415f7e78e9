import canonicalize from "canonicalize";
import { sha256Hex } from "../sha256.ts";
import { GENESIS_HASH } from "./record.ts";

/**
 * The logical partitions of the `control` container whose changes are recorded. Each has a chain of its own, for a
 * change and its record go in one batch, which one logical partition can hold.
 */
export const CONTROL_SCOPES = ["dead_letters", "switches", "accounts"] as const;
export type ControlScope = (typeof CONTROL_SCOPES)[number];

/** What operators do. */
export const CONTROL_EVENTS = [
  "redriven",
  "dismissed",
  "switched_off",
  "switched_on",
  "drained",
  "limits_changed",
  "weights_changed",
  "account_corrected",
] as const;
export type ControlEvent = (typeof CONTROL_EVENTS)[number];

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** One change an operator made, as GET /api/ops/audit shows it; every field is always there. */
export interface ControlRecord {
  readonly scope: ControlScope;
  /** 1 for the first record of a scope, then without gaps. */
  readonly seq: number;
  /** Unix time, seconds. */
  readonly at: number;
  readonly event: ControlEvent;
  /** `ops/key:1f2e3d4c` */
  readonly actor: string;
  /** The caller's name for the change: the same name twice is one change. */
  readonly change_id: string;
  readonly reason: string | null;
  /** What was changed, from what, to what. */
  readonly details: { readonly [name: string]: JsonValue };
  readonly prev_hash: string;
  /** Lower-case hex SHA-256 over the RFC 8785 canonical JSON of all fields but `hash`. */
  readonly hash: string;
}

/** Where a chain ends: what the next record links to. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: GENESIS_HASH };

export type ControlEntry = Pick<ControlRecord, "scope" | "event" | "actor" | "change_id"> &
  Partial<Pick<ControlRecord, "reason" | "details">>;

export function controlRecordHash(record: Omit<ControlRecord, "hash">): string {
  const text = canonicalize(record);
  if (text === undefined) throw new TypeError("a control record has no canonical form");
  return sha256Hex(text);
}

/** The record that follows `head` in its scope's chain. */
export function nextControlRecord(head: ChainHead, nowMs: number, entry: ControlEntry): ControlRecord {
  const unsealed = {
    scope: entry.scope,
    seq: head.seq + 1,
    at: Math.floor(nowMs / 1000),
    event: entry.event,
    actor: entry.actor,
    change_id: entry.change_id,
    reason: entry.reason ?? null,
    details: entry.details ?? {},
    prev_hash: head.hash,
  };
  return { ...unsealed, hash: controlRecordHash(unsealed) };
}
