import type { Clock } from "../clock.ts";
import { type FreshCopy, freshCopy } from "../fresh-copy.ts";
import { type Log, reasonOf } from "../log.ts";
import { NO_OVERRIDES, type Overrides } from "./overrides.ts";

export interface OverridesStore {
  /**
   * What is set, or `unchanged` while it is still as at `etag`.
   * @throws StoreUnavailable
   */
  readOverrides(
    etag: string | undefined,
  ): Promise<{ readonly overrides: Overrides; readonly etag: string | undefined } | "unchanged">;
}

export interface OverridesWatch extends FreshCopy {
  /** Those in force, as last read. */
  current(): Overrides;
}

/** While the store is away the last known stay in force for so long; nothing is called on what is older. */
const BELIEVED_MS = 30_000;

/**
 * What operators have set: one conditional read of one item, again whenever the copy may be old.
 * @param onChange is told of each new version once it is in force
 */
export function watchOverrides(deps: {
  readonly store: OverridesStore;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Log;
  readonly onChange: (overrides: Overrides) => void;
}): OverridesWatch {
  let overrides = NO_OVERRIDES;
  let etag: string | undefined;
  let failing = false;

  const read = async () => {
    const found = await deps.store.readOverrides(etag);
    if (failing) deps.log.info("overrides_read_again");
    failing = false;
    if (found === "unchanged") return;
    etag = found.etag;
    // A slower read must not bring back what a faster one has replaced.
    if (found.overrides.revision <= overrides.revision) return;
    overrides = found.overrides;
    const { revision, switches } = overrides;
    deps.log.info("overrides_changed", { revision, switches: switches.length });
    deps.onChange(overrides);
  };
  const told = async () => {
    try {
      await read();
    } catch (thrown) {
      if (!failing) deps.log.error("overrides_not_read", { reason: reasonOf(thrown) });
      failing = true;
      throw thrown;
    }
  };
  const copy = freshCopy({ read: told, clock: deps.clock, believedMs: BELIEVED_MS });
  return { ...copy, current: () => overrides };
}
