import type { Broker } from "./broker.ts";
import { type AmqpError, CONDITION, sessionLockLost } from "./errors.ts";
import { placeRange } from "./place.ts";
import type { Queue } from "./queue.ts";
import type { Meta } from "./ready-list.ts";
import type { SessionHold } from "./session-hold.ts";

/** The sessions of one queue: who holds which, and who waits for any. */
export class Sessions {
  readonly #broker: Broker;
  readonly #queue: Queue;
  readonly #holds = new Map<string, SessionHold>();
  readonly #waiting = new Set<() => boolean>();

  constructor(broker: Broker, queue: Queue) {
    this.#broker = broker;
    this.#queue = queue;
    for (const { session, lockedUntil } of broker.store.sessions(queue.number)) {
      const until = Math.min(lockedUntil ?? 0, broker.now() + queue.settings.lockDurationMs);
      this.#holds.set(session, this.#newHold(session, until));
      broker.alarm(until);
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
    const now = this.#broker.now();
    if (this.#holds.has(session)) {
      return {
        condition: CONDITION.sessionTaken,
        description: `The requested session '${session}' cannot be accepted. It may be locked by another receiver.`,
      };
    }
    const hold = this.#newHold(session, now + this.#queue.settings.lockDurationMs);
    this.#holds.set(session, hold);
    this.#broker.store.setSessionLock(this.#queue.number, session, hold.until);
    this.#broker.alarm(hold.until);
    return hold;
  }

  /** Takes the free session with the oldest message; undefined when there is none. */
  acceptAny(): SessionHold | undefined {
    const { first, last } = placeRange(this.#queue.number, this.#queue.places.ready);
    for (const session of this.#broker.store.sessionsWithMessages(first, last)) {
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
    const now = this.#broker.now();
    if (hold === undefined || hold.until <= now || hold.onLost === undefined) return sessionLockLost(session);
    hold.until = now + this.#queue.settings.lockDurationMs;
    for (const lock of hold.locks) lock.until = hold.until;
    this.#broker.store.setSessionLock(this.#queue.number, session, hold.until);
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
      this.#broker.beginWrite();
      const { onLost } = hold;
      this.#end(hold, true);
      onLost?.();
    }
    return next;
  }

  #end(hold: SessionHold, failed: boolean): void {
    hold.live = false;
    this.#holds.delete(hold.session);
    this.#broker.store.setSessionLock(this.#queue.number, hold.session, null);
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
