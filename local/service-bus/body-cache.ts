import { BODY_CACHE_BYTES } from "./limits.ts";
import type { StoredMessage } from "./store.ts";

/** Messages just stored, so that one delivered at once is not read back from the file. The oldest go first. */
export class BodyCache {
  readonly #byId = new Map<number, StoredMessage>();
  #bytes = 0;

  put(stored: StoredMessage): void {
    this.#byId.set(stored.id, stored);
    this.#bytes += sizeOf(stored);
    if (this.#bytes <= BODY_CACHE_BYTES) return;
    for (const id of this.#byId.keys()) {
      this.take(id);
      if (this.#bytes <= BODY_CACHE_BYTES) return;
    }
  }

  take(id: number): StoredMessage | undefined {
    const stored = this.#byId.get(id);
    if (stored === undefined) return undefined;
    this.#byId.delete(id);
    this.#bytes -= sizeOf(stored);
    return stored;
  }
}

/** The objects around the bytes count too. */
const OVERHEAD_BYTES = 300;

function sizeOf(stored: StoredMessage): number {
  return stored.content.length + (stored.annotations?.length ?? 0) + OVERHEAD_BYTES;
}
