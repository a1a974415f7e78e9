import type { Lock, SessionHold } from "./lock.ts";
import type { PropertyChanges } from "./message-edit.ts";
import type { Meta } from "./ready-list.ts";
import type { StoredMessage } from "./store.ts";

/** What a receiver decided about a message. */
export type Outcome =
  | { readonly kind: "complete" }
  /** It was not looked at: ready again as if it had never gone out. */
  | { readonly kind: "release" }
  | { readonly kind: "abandon" | "defer"; readonly changes?: PropertyChanges }
  | { readonly kind: "deadLetter"; readonly changes: PropertyChanges };

/** A message on its way out; `lock` is absent when it was deleted on the way (receive-and-delete). */
export interface Delivery {
  readonly meta: Meta;
  readonly stored: StoredMessage;
  readonly lock: Lock | undefined;
}

/** A receiver that waits for messages. */
export interface Consumer {
  readonly deleteOnReceive: boolean;
  readonly hold: SessionHold | undefined;
  /** It has credit for one more. */
  wants(): boolean;
  /** Takes one credit; the message follows by `send` once its lock is stored. */
  reserve(): void;
  send(delivery: Delivery): void;
}
