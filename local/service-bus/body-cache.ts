import { BODY_CACHE_BYTES } from "./limits.ts";
import type { StoredMessage } from "./store.ts";

/** The objects around the bytes count too. */
const OVERHEAD_BYTES = 700;

/**
 * Messages just stored, so that one delivered at once is not read back from the file. Two generations, the older
 * dropped as a whole when the younger is full: taking the oldest out of one map, one by one, costs a walk over its
 * holes each time.
 */
export class BodyCache {
  #young = new Map<number, StoredMessage>();
  #old = new Map<number, StoredMessage>();
  #youngBytes = 0;

  put(stored: StoredMessage): void {
    this.#young.set(stored.id, stored);
    this.#youngBytes += sizeOf(stored);
    if (this.#youngBytes < BODY_CACHE_BYTES / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }

  take(id: number): StoredMessage | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) {
      this.#young.delete(id);
      this.#youngBytes -= sizeOf(young);
      return young;
    }
    const old = this.#old.get(id);
    if (old !== undefined) this.#old.delete(id);
    return old;
  }
}

function sizeOf(stored: StoredMessage): number {
  return stored.content.length + (stored.annotations?.length ?? 0) + OVERHEAD_BYTES;
}
