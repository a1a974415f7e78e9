import { type ControlOutcome, type ControlTrailStore, changeControl } from "./control-trail.ts";

/** The format of trails that this version makes: their first record says whose they are and how long they are kept. */
export const TRAIL_FORMAT = 2;

/**
 * From now on a trail of an older format is a fault. For operators, once no host of the version before runs. The first
 * such record counts.
 * @throws StoreUnavailable when it is not known whether it was made: the same change id may be sent again
 */
export function requireFormat(
  deps: { readonly trail: ControlTrailStore; readonly clock: { now(): number } },
  by: { readonly changeId: string; readonly actor: string; readonly reason: string | null },
): Promise<ControlOutcome> {
  return changeControl(deps, {
    ...{ scope: "audit", changeId: by.changeId, actor: by.actor, reads: [] },
    decide: () => ({
      event: "format_required",
      reason: by.reason,
      details: { format: TRAIL_FORMAT },
      writes: [],
    }),
  });
}
