import type { Clock } from "../clock.ts";
import type { EventType } from "../event-type.ts";
import { type FreshCopy, freshCopy } from "../fresh-copy.ts";
import { type Log, reasonOf } from "../log.ts";
import type { Heard, HeardStore } from "./ports.ts";

/** Who listens, as this instance knows it. */
export interface Listeners extends FreshCopy {
  wants(tenantId: string, event: EventType): boolean;
  /** Whether anybody has an endpoint, or had one. */
  isAny(): boolean;
}

/** While the store is away, nothing ends anyway. */
const BELIEVED_MS = 30_000;

/** One conditional read of one item, again whenever the copy may be old: who has no endpoint costs nothing more. */
export function watchListeners(deps: {
  readonly store: HeardStore;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Log;
}): Listeners {
  let heard: Heard = {};
  let etag: string | undefined;
  let failing = false;
  const read = async () => {
    try {
      const found = await deps.store.readHeard(etag);
      failing = false;
      if (found === "unchanged") return;
      heard = found?.value ?? {};
      etag = found?.etag;
    } catch (thrown) {
      if (!failing) deps.log.error("webhook_listeners_not_read", { reason: reasonOf(thrown) });
      failing = true;
      throw thrown;
    }
  };
  const copy = freshCopy({ read, clock: deps.clock, believedMs: BELIEVED_MS });
  return {
    ...copy,
    wants: (tenantId, event) => Object.hasOwn(heard, tenantId) && heard[tenantId]?.includes(event) === true,
    isAny: () => Object.keys(heard).length > 0,
  };
}
