import canonicalize from "canonicalize";
import { sha256Hex } from "../sha256.ts";
import { GENESIS_HASH } from "./record.ts";

/**
 * The logical partitions of the `control` container whose changes are recorded. Each has a chain of its own, for a
 * change and its record go in one batch, which one logical partition can hold.
 */
export const CONTROL_SCOPES = ["dead_letters", "switches", "accounts", "audit", "secrets"] as const;
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
  "tenant_changed",
  "key_made",
  "key_revoked",
  "deployment_changed",
  "route_changed",
  "test_started",
  "deployment_tested",
  "bulk_started",
  "bulk_stopped",
  "account_corrected",
  "format_required",
  "secret_made",
  "secret_rotated",
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
  /** The items as the change left them, by id: the hash of each; null: deleted. Absent in old records. */
  readonly items?: { readonly [id: string]: string | null };
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
  Partial<Pick<ControlRecord, "reason" | "details" | "items">>;

export function controlRecordHash(record: Omit<ControlRecord, "hash">): string {
  const text = canonicalize(record);
  if (text === undefined) throw new TypeError("a control record has no canonical form");
  return sha256Hex(text);
}

/** What adapter and store put into an item. */
const NOT_OF_THE_CHANGE = new Set(["id", "scope", "v", "kind", "ttl"]);

/** The hash of an item of `control` as a change wrote it: over the RFC 8785 canonical JSON of its own fields. */
export function controlItemHash(item: Readonly<Record<string, unknown>>): string {
  const own = Object.entries(item).filter(([name]) => !NOT_OF_THE_CHANGE.has(name) && !name.startsWith("_"));
  // As JSON has it: a field that is undefined is not stored.
  const text = canonicalize(JSON.parse(JSON.stringify(Object.fromEntries(own))));
  if (text === undefined) throw new TypeError("a control item has no canonical form");
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
    ...(entry.items === undefined ? {} : { items: entry.items }),
    prev_hash: head.hash,
  };
  return { ...unsealed, hash: controlRecordHash(unsealed) };
}
