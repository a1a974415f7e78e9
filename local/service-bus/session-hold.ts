import type { Lock } from "./lock.ts";
import type { ReadyList } from "./ready-list.ts";

/** One session in a receiver's hands, and the ready messages it may take. */
export interface SessionHold {
  readonly session: string;
  until: number;
  live: boolean;
  readonly ready: ReadyList;
  readonly locks: Set<Lock>;
  /** Tells the receiver that the lock is lost; absent for the lock of a process that is gone. */
  onLost: (() => void) | undefined;
}
