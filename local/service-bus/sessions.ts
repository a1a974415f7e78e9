import { type AmqpError, CONDITION, sessionLockLost } from "./errors.ts";
import type { Lock, SessionHold } from "./lock.ts";
import { type Place, placeRange } from "./place.ts";
import type { QueueContext } from "./queue-context.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { Meta, ReadyList } from "./ready-list.ts";

/** The queue they are of. */
interface SessionQueue {
  readonly number: number;
  readonly settings: QueueSettings;
  readonly places: { readonly ready: Place };
  /** A list of the ready messages of one session. */
  readyList(session: string): ReadyList;
  /** Ends a lock without an outcome: `failed` counts it as a delivery that came to nothing. */
  release(lock: Lock, failed: boolean): void;
}

/** The sessions of one queue: who holds which, and who waits for any. */
export class Sessions {
  readonly #context: QueueContext;
  readonly #queue: SessionQueue;
  readonly #holds = new Map<string, SessionHold>();
  readonly #waiting = new Set<() => boolean>();

  constructor(context: QueueContext, queue: SessionQueue) {
    this.#context = context;
    this.#queue = queue;
    for (const { session, lockedUntil } of context.store.sessions(queue.number)) {
      const until = Math.min(lockedUntil ?? 0, context.now() + queue.settings.lockDurationMs);
      this.#holds.set(session, this.#newHold(session, until));
      context.alarm(until);
    }
  }

  holdOf(session: string): SessionHold | undefined {
    return this.#holds.get(session);
  }

  /** A new message of a session. */
  push(session: string, meta: Meta): void {
    this.#holds.get(session)?.ready.push(meta);
    this.becameReady();
  }

  /** A message of a session is ready again. */
  giveBack(session: string, meta: Meta): void {
    this.#holds.get(session)?.ready.giveBack(meta);
    this.becameReady();
  }

  /** Takes a session by name; an error when another has it. */
  accept(session: string): SessionHold | AmqpError {
    const now = this.#context.now();
    if (this.#holds.has(session)) {
      return {
        condition: CONDITION.sessionTaken,
        description: `The requested session '${session}' cannot be accepted. It may be locked by another receiver.`,
      };
    }
    const hold = this.#newHold(session, now + this.#queue.settings.lockDurationMs);
    this.#holds.set(session, hold);
    this.#context.store.setSessionLock(this.#queue.number, session, hold.until);
    this.#context.alarm(hold.until);
    return hold;
  }

  /** Takes the free session with the oldest message; undefined when there is none. */
  acceptAny(): SessionHold | undefined {
    const { first, last } = placeRange(this.#queue.number, this.#queue.places.ready);
    for (const session of this.#context.store.sessionsWithMessages(first, last)) {
      if (this.#holds.has(session)) continue;
      const hold = this.accept(session);
      if ("session" in hold) return hold;
    }
    return undefined;
  }

  /** `tryAgain` is called whenever a session may have become free, until it says true or is cancelled. */
  wait(tryAgain: () => boolean): () => void {
    this.#waiting.add(tryAgain);
    return () => this.#waiting.delete(tryAgain);
  }

  becameReady(): void {
    for (const tryAgain of this.#waiting) {
      if (!tryAgain()) return;
      this.#waiting.delete(tryAgain);
    }
  }

  renew(session: string): number | AmqpError {
    const hold = this.#holds.get(session);
    const now = this.#context.now();
    if (hold === undefined || hold.until <= now || hold.onLost === undefined) return sessionLockLost(session);
    hold.until = now + this.#queue.settings.lockDurationMs;
    for (const lock of hold.locks) lock.until = hold.until;
    this.#context.store.setSessionLock(this.#queue.number, session, hold.until);
    return hold.until;
  }

  /** The receiver closed its link: the session is free at once, and its messages were not failed deliveries. */
  close(hold: SessionHold): void {
    if (hold.live) this.#end(hold, false);
  }

  expire(now: number): number | undefined {
    let next: number | undefined;
    for (const hold of [...this.#holds.values()]) {
      if (hold.until > now) {
        next = Math.min(next ?? hold.until, hold.until);
        continue;
      }
      this.#context.beginWrite();
      const { onLost } = hold;
      this.#end(hold, true);
      onLost?.();
    }
    return next;
  }

  #end(hold: SessionHold, failed: boolean): void {
    hold.live = false;
    this.#holds.delete(hold.session);
    this.#context.store.setSessionLock(this.#queue.number, hold.session, null);
    for (const lock of [...hold.locks]) this.#queue.release(lock, failed);
    this.becameReady();
  }

  #newHold(session: string, until: number): SessionHold {
    return {
      session,
      until,
      live: true,
      ready: this.#queue.readyList(session),
      locks: new Set(),
      onLost: undefined,
    };
  }
}
