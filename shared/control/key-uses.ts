import type { Clock } from "../clock.ts";
import { type Log, reasonOf } from "../log.ts";
import { type Stored, StoreUnavailable, type WriteResult } from "../store.ts";

/** When keys were last used, Unix ms. Every method throws StoreUnavailable. */
export interface KeyUseStore {
  read(keyId: string): Promise<Stored<{ readonly used_ms: number }> | undefined>;
  write(
    keyId: string,
    use: { readonly tenant_id: string; readonly used_ms: number },
    etag: string | undefined,
  ): Promise<WriteResult>;
  remove(keyId: string): Promise<void>;
}

/** A key's use is written once in so long, whichever instances it is used on. */
export const USE_EVERY_MS = 3_600_000;
/** After a store that could not be reached: not with every request. */
const AGAIN_AFTER_MS = 60_000;

interface KeyUsesDeps {
  readonly store: KeyUseStore;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Notes when keys are used, in the invocation that uses them. */
export class KeyUses {
  readonly #deps: KeyUsesDeps;
  /** Until when nothing needs to be written, Unix ms, by key. */
  readonly #until = new Map<string, number>();

  constructor(deps: KeyUsesDeps) {
    this.#deps = deps;
  }

  /** Never rejects: a use that is not noted is no reason to refuse a request. */
  async note(tenantId: string, keyId: string): Promise<void> {
    const { store, clock, log } = this.#deps;
    const nowMs = clock.now();
    if (nowMs < (this.#until.get(keyId) ?? 0)) return;
    this.#until.set(keyId, nowMs + AGAIN_AFTER_MS);
    try {
      const last = await store.read(keyId);
      const since = nowMs - (last?.value.used_ms ?? 0);
      // Of two instances that write at the same time one is refused.
      if (since >= USE_EVERY_MS)
        await store.write(keyId, { tenant_id: tenantId, used_ms: nowMs }, last?.etag);
      this.#until.set(keyId, nowMs + USE_EVERY_MS - (since >= USE_EVERY_MS ? 0 : Math.max(0, since)));
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
      log.warn("key_use_not_noted", { key: keyId, reason: reasonOf(thrown) });
    }
  }
}
