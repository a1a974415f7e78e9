import type { KeyUseStore } from "../../control/key-uses.ts";
import { ITEMS, keyUsePlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** Beside the trail, not in it: that a key is used is no change. */
export class CosmosKeyUses implements KeyUseStore {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async read(keyId: string): ReturnType<KeyUseStore["read"]> {
    const found = await this.#control.readOrTell(ITEMS.key_use, keyUsePlace(keyId));
    return found && { value: { used_ms: found.value?.used_ms ?? 0 }, etag: found.etag };
  }

  write(keyId: string, use: Parameters<KeyUseStore["write"]>[1], etag: string | undefined) {
    return this.#control.write(ITEMS.key_use, keyUsePlace(keyId), use, etag);
  }

  remove(keyId: string): Promise<void> {
    return this.#control.remove(ITEMS.key_use, keyUsePlace(keyId));
  }
}
