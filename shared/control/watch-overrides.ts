import type { Clock } from "../clock.ts";
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

export interface OverridesWatch {
  /** Those in force, as last read. */
  current(): Overrides;
  /** Resolves once they were read at all: nothing may be called before. @throws StoreUnavailable */
  ready(): Promise<void>;
  /** Reads them now, for whoever has just changed them; never rejects. */
  look(): Promise<void>;
  /** Looks again and again; the function returned stops it. */
  watch(): () => void;
}

/** Between two looks. With a look's own time it keeps the promise: effective on all instances within 5 s. */
export const OVERRIDES_LOOK_MS = 1_500;

/**
 * What operators have set, read again and again: one conditional read of one item. While the store is away the last
 * known stay in force, and that is logged once.
 * @param onChange is told of each new version once it is in force
 */
export function watchOverrides(deps: {
  readonly store: OverridesStore;
  readonly clock: Pick<Clock, "after">;
  readonly log: Log;
  readonly onChange: (overrides: Overrides) => void;
}): OverridesWatch {
  let overrides = NO_OVERRIDES;
  let etag: string | undefined;
  let known = false;
  let failing = false;
  let reading: Promise<void> | undefined;

  const read = async () => {
    const found = await deps.store.readOverrides(etag);
    known = true;
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
  /** One read at a time, shared by all who want one. */
  const once = (): Promise<void> => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const look = async () => {
    try {
      // One that is under way may have begun before the change that is looked for.
      await reading?.catch(() => undefined);
      await once();
    } catch (thrown) {
      if (!failing) deps.log.error("overrides_not_read", { reason: reasonOf(thrown) });
      failing = true;
    }
  };
  return {
    current: () => overrides,
    async ready() {
      if (!known) await once();
    },
    look,
    watch() {
      let stopped = false;
      let cancel: () => void = () => undefined;
      const next = () => {
        cancel = deps.clock.after(OVERRIDES_LOOK_MS, () => {
          void look().then(() => {
            if (!stopped) next();
          });
        });
      };
      void look();
      next();
      return () => {
        stopped = true;
        cancel();
      };
    },
  };
}
