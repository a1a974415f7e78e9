import type { QueueSettings } from "./queue-settings.ts";
import type { Store, StoredMessage } from "./store.ts";

/** What a queue needs of the broker that holds it: the file, a transaction a turn, the time. */
export interface QueueContext {
  readonly store: Store;
  /** Unix time, ms. */
  now(): number;
  /** Opens this turn's transaction if there is none. */
  beginWrite(): void;
  /** Calls back once everything written so far is stored; not at all if it could not be. */
  whenStored(then: () => void): void;
  /** Something falls due then. */
  alarm(at: number): void;
  /** A body that will be handed out soon. */
  keepBody(stored: StoredMessage): void;
  takeBody(id: number): StoredMessage | undefined;
  /** Where what would go to the dead letters of such a queue goes instead, if anywhere. */
  forwardDeadLetters(settings: QueueSettings): ForwardTarget | undefined;
}

/** A queue that gets what another passes on. */
export interface ForwardTarget {
  /** `content`: the message as it is to be kept. */
  enqueueForwarded(from: StoredMessage, content: Buffer, now: number): void;
  /** Gives what is ready to those who wait. */
  pump(): void;
}
