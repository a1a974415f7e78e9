import { type Stored, StoreUnavailable } from "../store.ts";
import {
  type ChainHead,
  type ControlEntry,
  type ControlRecord,
  type ControlScope,
  controlItemHash,
  EMPTY_CHAIN,
  nextControlRecord,
} from "./control-record.ts";

/** An item of the `control` container, as a change writes it; the store adds its scope and version. */
export interface ControlItem {
  /** Unique in its scope; never begins with `audit-`, where the trail itself is kept. */
  readonly id: string;
  /** Seconds from this write until the item goes; without it, never. */
  readonly ttl?: number;
  readonly [field: string]: unknown;
}

/** One item's write inside a change. With `etag` it is refused when the item has moved on since it was read. */
export type ControlWrite =
  | { readonly kind: "create"; readonly item: ControlItem }
  | { readonly kind: "upsert"; readonly item: ControlItem; readonly etag?: string }
  | { readonly kind: "replace"; readonly item: ControlItem; readonly etag?: string }
  | { readonly kind: "delete"; readonly id: string; readonly etag?: string };

/** Where a chain stands and what its scope holds, as one look found it. */
export interface ControlView {
  /** Undefined: nothing was ever recorded in this scope. */
  readonly head: Stored<ChainHead> | undefined;
  /** The record of this change, where it was made already. */
  readonly made: ControlRecord | undefined;
  /** Those of the items asked for that are there, by id, each as it was written. */
  readonly items: ReadonlyMap<string, Stored<ControlItem>>;
}

/** Every method throws StoreUnavailable, and nothing else that a cloud can cause. */
export interface ControlTrailStore {
  view(scope: ControlScope, changeId: string, itemIds: readonly string[]): Promise<ControlView>;
  /**
   * Writes, record, the record's change id and the chain's new head in one batch, if the head is still the one in
   * `view`. `superseded`: something has moved on, nothing was written.
   */
  append(
    view: ControlView,
    record: ControlRecord,
    writes: readonly ControlWrite[],
  ): Promise<"written" | "superseded">;
  /** A scope's records, newest first: at most `limit`, below `beforeSeq` where that is given. */
  records(
    scope: ControlScope,
    page: { limit: number; beforeSeq?: number | undefined },
  ): Promise<{ records: readonly ControlRecord[]; hasMore: boolean }>;
}

export interface ControlChange {
  readonly scope: ControlScope;
  /** Names the change: made once, however often it is asked for. Up to 255 characters, any of Unicode's. */
  readonly changeId: string;
  readonly actor: string;
  /** Ids of the items the decision needs. */
  readonly reads: readonly string[];
  /**
   * Decides from what is there. It must be pure, because it is asked again when something moved on meanwhile.
   * Undefined: there is nothing to change. What it throws (a Problem) goes to the caller.
   */
  readonly decide: (items: ControlView["items"]) => ControlDecision | undefined;
}

export interface ControlDecision extends Pick<ControlEntry, "event" | "reason" | "details"> {
  readonly writes: readonly ControlWrite[];
}

export type ControlOutcome =
  /** `repeated`: the change was made before, by an earlier request of the same id. */
  | { readonly kind: "changed"; readonly record: ControlRecord; readonly repeated: boolean }
  | { readonly kind: "unchanged"; readonly items: ControlView["items"] };

const leftBy = (write: ControlWrite): [id: string, hash: string | null] =>
  write.kind === "delete" ? [write.id, null] : [write.item.id, controlItemHash(write.item)];

/** Operators are few: one who loses this often is told to try again. */
const MAX_TRIES = 8;

/**
 * Makes a change of `control` with its audit record, or neither. After a refusal because something moved on it looks
 * and decides again; after a write whose answer was lost it looks whether it was applied.
 * @throws StoreUnavailable when that could not be learned: the same change id may be sent again
 */
export async function changeControl(
  deps: { readonly trail: ControlTrailStore; readonly clock: { now(): number } },
  change: ControlChange,
): Promise<ControlOutcome> {
  let mine: ControlRecord | undefined;
  let lost: StoreUnavailable | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const view = await deps.trail.view(change.scope, change.changeId, change.reads);
    if (view.made !== undefined) {
      const ownWrite = lost !== undefined && view.made.hash === mine?.hash;
      return { kind: "changed", record: view.made, repeated: !ownWrite };
    }
    const decision = change.decide(view.items);
    if (decision === undefined) return { kind: "unchanged", items: view.items };
    const { writes, ...said } = decision;
    const entry = {
      ...{ ...said, scope: change.scope, actor: change.actor, change_id: change.changeId },
      ...(writes.length === 0 ? {} : { items: Object.fromEntries(writes.map(leftBy)) }),
    };
    mine = nextControlRecord(view.head?.value ?? EMPTY_CHAIN, deps.clock.now(), entry);
    try {
      if ((await deps.trail.append(view, mine, writes)) === "written") {
        return { kind: "changed", record: mine, repeated: false };
      }
    } catch (thrown) {
      // Not a second time: a store that is away does not come back within a few round trips.
      if (!(thrown instanceof StoreUnavailable) || lost !== undefined) throw thrown;
      lost = thrown;
    }
  }
  throw new StoreUnavailable(`control/${change.scope} changed ${MAX_TRIES} times while it was being written`);
}
