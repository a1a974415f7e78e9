import canonicalize from "canonicalize";
import { sha256Hex } from "../../sha256.ts";
import type { ControlScope } from "../control-record.ts";
import { GENESIS_HASH } from "../record.ts";
import { leafHash } from "./merkle.ts";

/** Where one chain stood when it was sealed: its record `seq` had this hash. */
export type SealLeaf = JobLeaf | ControlLeaf;

export interface JobLeaf {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly seq: number;
  readonly hash: string;
  /** Unix time, seconds, when the trail may go; null: never. Before it, a trail that is gone was lost. */
  readonly until: number | null;
}

export interface ControlLeaf {
  readonly scope: ControlScope;
  readonly seq: number;
  readonly hash: string;
  readonly until: null;
}

/** A promise about every chain whose head changed in a stretch of time; each seal is chained to the one before. */
export interface Seal {
  /** 1 for the first, then without gaps; a stretch with very many changes has several. */
  readonly n: number;
  /** Heads written from here on, by the store's own clock, in whole seconds … */
  readonly from_ts: number;
  /** … and before this. The next seal begins here. */
  readonly to_ts: number;
  readonly sealed_at: number;
  readonly leaves: number;
  readonly chunks: number;
  /** Names the leaves' items: two instances that seal at the same time write apart, and one of them wins. */
  readonly run: string;
  /** Unix time, seconds, when the stored leaves may go, because no trail in them is kept longer; null: never. */
  readonly until: number | null;
  /** RFC 6962 over the leaves in their order, each as RFC 8785 canonical JSON. */
  readonly root: string;
  readonly prev_hash: string;
  /** Lower-case hex SHA-256 over the RFC 8785 canonical JSON of all fields but `hash`. */
  readonly hash: string;
}

/** The latest seal: where the next one goes on. */
export type SealHead = Pick<Seal, "n" | "to_ts" | "hash">;

export const NO_SEAL: SealHead = { n: 0, to_ts: 0, hash: GENESIS_HASH };

export function sealLeafHash(leaf: SealLeaf): string {
  return leafHash(canonical(leaf));
}

export function sealHash(seal: Omit<Seal, "hash">): string {
  return sha256Hex(canonical(seal));
}

function canonical(value: object): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("it has no canonical form");
  return text;
}

export function nextSeal(head: SealHead, content: Omit<Seal, "n" | "from_ts" | "prev_hash" | "hash">): Seal {
  const unsealed = { n: head.n + 1, from_ts: head.to_ts, ...content, prev_hash: head.hash };
  return { ...unsealed, hash: sealHash(unsealed) };
}

/** What is wrong with `seal` as the one that follows `head`; undefined when it holds. */
export function sealFault(head: SealHead, seal: Seal): string | undefined {
  const { hash, ...fields } = seal;
  if (seal.n !== head.n + 1) return `seal ${head.n + 1} is missing or out of order`;
  if (seal.prev_hash !== head.hash) return "prev_hash is not the hash of the seal before";
  if (seal.from_ts !== head.to_ts) return "it does not begin where the seal before ends";
  if (sealHash(fields) !== hash) return "its fields do not give its hash";
  return undefined;
}

const DAY_SECONDS = 86_400;
/** A day is over when this much of the next has gone by: instances' and the store's clocks differ. */
const SETTLED_AFTER_SECONDS = 300;

/**
 * When the next seal's stretch ends, Unix time in seconds: the midnight (UTC) after `fromTs`, or the latest one for
 * the first seal; undefined while that day is not over.
 */
export function nextSealEnd(head: SealHead, nowMs: number): number | undefined {
  const nowTs = Math.floor(nowMs / 1000) - SETTLED_AFTER_SECONDS;
  const latest = Math.floor(nowTs / DAY_SECONDS) * DAY_SECONDS;
  const end = head.n === 0 ? latest : (Math.floor(head.to_ts / DAY_SECONDS) + 1) * DAY_SECONDS;
  return end <= latest && end > head.to_ts ? end : undefined;
}

/** The day a seal is about, for people: `2026-11-23`. */
export function sealDay(seal: Pick<Seal, "to_ts">): string {
  return new Date((seal.to_ts - 1) * 1000).toISOString().slice(0, 10);
}

/** The name of a leaf's chain, for messages. */
export function chainName(leaf: SealLeaf): string {
  return "scope" in leaf ? `control/${leaf.scope}` : `${leaf.tenant_id}/${leaf.job_id}`;
}
