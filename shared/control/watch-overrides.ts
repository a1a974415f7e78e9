import type { Clock } from "../clock.ts";
import { type FreshCopy, freshCopy } from "../fresh-copy.ts";
import { type Log, reasonOf } from "../log.ts";
import { StoreUnavailable } from "../store.ts";
import {
  type ManagedTenant,
  NO_TENANTS_SET,
  type TenantsSet,
  type UnreadableTenant,
} from "./managed-tenants.ts";
import { NO_OVERRIDES, type Overrides } from "./overrides.ts";

export interface OverridesStore {
  /**
   * What is set, or `unchanged` while it is still as at `etag`.
   * @throws StoreUnavailable
   */
  readOverrides(
    etag: string | undefined,
  ): Promise<{ readonly overrides: Overrides; readonly etag: string | undefined } | "unchanged">;
  /** Tenants that operators set: of these ids those that are there, or all. @throws StoreUnavailable */
  readTenants(ids: readonly string[] | undefined): Promise<readonly (ManagedTenant | UnreadableTenant)[]>;
}

export interface OverridesWatch extends FreshCopy {
  /** Those in force, as last read. */
  current(): Overrides;
  /** Tenants and keys that operators set, as of the same look. */
  tenants(): TenantsSet;
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
  let tenants = NO_TENANTS_SET;
  let etag: string | undefined;
  let failing = false;

  const read = async () => {
    const found = await deps.store.readOverrides(etag);
    if (failing) deps.log.info("overrides_read_again");
    failing = false;
    if (found === "unchanged") return;
    const changes = found.overrides.tenant_changes;
    const isOlder =
      found.overrides.revision < overrides.revision || changes.revision < overrides.tenant_changes.revision;
    const isSame =
      found.overrides.revision === overrides.revision &&
      changes.revision === overrides.tenant_changes.revision;
    // A slower read must not bring back what a faster one has replaced.
    if (!isOlder && !isSame) {
      tenants = await tenantsAsOf(
        deps.store,
        { tenants, revision: overrides.tenant_changes.revision },
        changes,
      );
      overrides = found.overrides;
    }
    etag = found.etag;
    if (isOlder || isSame) return;
    const { revision, switches } = overrides;
    deps.log.info("overrides_changed", { revision, switches: switches.length, tenants: tenants.size });
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
  return { ...copy, current: () => overrides, tenants: () => tenants };
}

/** What was known, with what has changed since; all of it, where that is more than is listed. @throws StoreUnavailable */
async function tenantsAsOf(
  store: OverridesStore,
  known: { readonly tenants: TenantsSet; readonly revision: number },
  { revision, recent }: Overrides["tenant_changes"],
): Promise<TenantsSet> {
  if (revision === known.revision) return known.tenants;
  const missed = revision - known.revision;
  const changed = missed <= recent.length ? recent.slice(-missed) : recent;
  const isAll = changed.length < missed;
  const found = await store.readTenants(isAll ? undefined : [...new Set(changed.map(({ id }) => id))]);
  const tenants = new Map(isAll ? [] : known.tenants);
  for (const { id } of changed) tenants.delete(id);
  for (const each of found) tenants.set(each.tenant_id, each);
  // The n-th of the last changes has the n-th of the last revisions: an item that is older comes from a replica that lags.
  const last = new Map(
    changed.map(({ id, gone }, at) => [id, { gone, revision: revision - changed.length + 1 + at }]),
  );
  for (const [id, { gone, revision: least }] of last) {
    const each = tenants.get(id);
    const lags = each === undefined ? !gone : each.revision !== undefined && each.revision < least;
    if (lags) throw new StoreUnavailable(`tenant ${id} is not as it was written`);
  }
  return tenants;
}
