import type { Delivery } from "./consumer.ts";
import { messagesNotFound, Refusal } from "./errors.ts";
import type { SessionHold } from "./lock.ts";
import type { LockTable } from "./lock-table.ts";
import { type Place, rowId } from "./place.ts";
import type { Meta } from "./ready-list.ts";
import type { Store } from "./store.ts";

/** The queue they lie in. */
interface Holder {
  readonly number: number;
  readonly places: { readonly deferred: Place };
  /** Undefined: it has none. */
  readonly sessions: object | undefined;
}

export interface DeferredRequest {
  readonly sequences: readonly number[];
  readonly deleteOnReceive: boolean;
  readonly hold: SessionHold | undefined;
  readonly now: number;
}

/** Deferred messages by number, locked or (deleteOnReceive) removed: all of them, or Refusal and nothing written. */
export function takeDeferred(
  queue: Holder,
  store: Store,
  locks: LockTable,
  request: DeferredRequest,
): Delivery[] {
  const { sequences, deleteOnReceive, hold, now } = request;
  const found = sequences.map((sequence) => findDeferred(queue, store, sequence, request));
  const missing = sequences.filter((_, n) => found[n] === undefined);
  if (missing.length > 0 || new Set(sequences).size < sequences.length) {
    const error = messagesNotFound(missing);
    throw new Refusal(error.condition, error.description);
  }
  return found
    .filter((one) => one !== undefined)
    .map(({ stored, deliveryCount }) => {
      const { id, session } = stored;
      const meta: Meta = {
        id,
        deliveryCount,
        session,
        expiresAt: stored.expiresAt ?? Number.POSITIVE_INFINITY,
      };
      if (!deleteOnReceive) return { meta, stored, lock: locks.add(meta, now, true, hold) };
      store.remove(id, true);
      return { meta, stored, lock: undefined };
    });
}

function findDeferred(queue: Holder, store: Store, sequence: number, { hold, now }: DeferredRequest) {
  const stored =
    sequence > 0 ? store.message(rowId(queue.number, queue.places.deferred, sequence)) : undefined;
  if (stored === undefined || (stored.expiresAt !== null && stored.expiresAt <= now)) return undefined;
  if (queue.sessions !== undefined && stored.session !== hold?.session) return undefined;
  const progress = store.progress(stored.id);
  return progress?.lockToken == null ? { stored, deliveryCount: progress?.deliveryCount ?? 0 } : undefined;
}
