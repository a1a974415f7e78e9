import { type Lock, newToken, type SessionHold, tokenKey } from "./lock.ts";
import { type Place, placeRange } from "./place.ts";
import type { QueueContext } from "./queue-context.ts";
import type { Meta } from "./ready-list.ts";

/** The locks of one queue, in memory and in the file. */
export class LockTable {
  readonly #context: QueueContext;
  readonly #durationMs: number;
  /** Locks by token, the first to expire first: all last equally long, and a renewed one goes to the end. */
  readonly #locks = new Map<string, Lock>();

  constructor(context: QueueContext, durationMs: number) {
    this.#context = context;
    this.#durationMs = durationMs;
  }

  counts(): { ready: number; deferred: number } {
    let deferred = 0;
    for (const lock of this.#locks.values()) if (lock.deferred) deferred++;
    return { ready: this.#locks.size - deferred, deferred };
  }

  byToken(token: Buffer): Lock | undefined {
    return this.#locks.get(tokenKey(token));
  }

  /** The lock of a message in a queue with sessions lasts as long as its session's. */
  add(meta: Meta, now: number, deferred: boolean, hold: SessionHold | undefined): Lock {
    const token = newToken();
    const until = hold?.until ?? now + this.#durationMs;
    const lock: Lock = { meta, token, key: tokenKey(token), until, live: true, deferred, hold };
    this.#keep(lock);
    this.#write(lock);
    if (hold === undefined) this.#context.alarm(until);
    return lock;
  }

  renew(lock: Lock, now: number): number {
    lock.until = now + this.#durationMs;
    this.#locks.delete(lock.key);
    this.#locks.set(lock.key, lock);
    this.#write(lock);
    return lock.until;
  }

  /** Ends a lock in memory; what becomes of its message is written by the caller. */
  end(lock: Lock): void {
    lock.live = false;
    this.#locks.delete(lock.key);
    lock.hold?.locks.delete(lock);
  }

  /** The lock that runs out first; of a queue without sessions. */
  first(): Lock | undefined {
    for (const lock of this.#locks.values()) return lock;
    return undefined;
  }

  /** Locks that the process before this one gave go on to their end. */
  recover(
    queueNumber: number,
    places: readonly Place[],
    holdOf: (session: string) => SessionHold | undefined,
  ): void {
    const now = this.#context.now();
    const { store } = this.#context;
    const rows = places.flatMap((place, n) => {
      const { first, last } = placeRange(queueNumber, place);
      return store.locks(first, last).map((row) => ({ ...row, deferred: n > 0 }));
    });
    // No lock is longer than the queue gives now, so that they stay in order of their ends.
    const untilOf = (at: number | null) => Math.min(at ?? now, now + this.#durationMs);
    rows.sort((a, b) => untilOf(a.lockedUntil) - untilOf(b.lockedUntil));
    for (const { id, deliveryCount, lockToken, lockedUntil, deferred } of rows) {
      const stored = store.message(id);
      if (stored === undefined || lockToken === null) continue;
      const { session } = stored;
      const meta: Meta = {
        id,
        deliveryCount,
        session,
        expiresAt: stored.expiresAt ?? Number.POSITIVE_INFINITY,
      };
      const hold = session === null ? undefined : holdOf(session);
      const until = hold?.until ?? untilOf(lockedUntil);
      this.#keep({ meta, token: lockToken, key: tokenKey(lockToken), until, live: true, deferred, hold });
      this.#context.alarm(until);
    }
  }

  #keep(lock: Lock): void {
    this.#locks.set(lock.key, lock);
    lock.hold?.locks.add(lock);
  }

  #write({ meta, token, until }: Lock): void {
    const { deliveryCount } = meta;
    this.#context.store.setProgress(meta.id, { deliveryCount, lockToken: token, lockedUntil: until });
  }
}
