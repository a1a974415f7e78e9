/** What all stores share: how an item is named, read and written, and what a cloud can do to either. */

/** Version of the items and messages this host writes; hosts of two neighbouring versions work side by side. */
export const STORED_VERSION = 1;

/**
 * Whether an item of version `v` may be read, changed and written back: one's own or a neighbour's. A changed item
 * keeps its `v` and every field that this version does not know.
 */
export function isKnownVersion(v: unknown): boolean {
  return typeof v === "number" && Number.isInteger(v) && Math.abs(v - STORED_VERSION) <= 1;
}

export interface JobKey {
  readonly tenant_id: string;
  readonly job_id: string;
}

export interface Stored<T> {
  readonly value: T;
  /** Of the stored version; a write that names an older one is refused. */
  readonly etag: string;
}

/** How a conditional write ended. `superseded`: a newer version is there. */
export type WriteResult =
  | { readonly kind: "written"; readonly etag: string }
  | { readonly kind: "superseded" };

/**
 * A stored item that this version cannot read: stored by a version that is no neighbour, or as none stores it. There
 * is no work to be done on it here; the store, and all other items, are well.
 */
export class UnreadableItem extends Error {
  override readonly name = "UnreadableItem";
}

/** The store cannot be reached, is too slow or throttles beyond patience. A write may or may not have been applied. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}
