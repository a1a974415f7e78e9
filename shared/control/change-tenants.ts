import type { ControlEvent, JsonValue } from "../audit/control-record.ts";
import { type ControlItem, type ControlOutcome, changeControl } from "../audit/control-trail.ts";
import { readItem, StoreUnavailable } from "../store.ts";
import {
  type Change,
  type ChangeDeps,
  OVERRIDES_ID,
  OVERRIDES_SCOPE,
  overridesOf,
} from "./change-overrides.ts";
import { type ManagedTenant, managedTenantDocument, type TenantsSet } from "./managed-tenants.ts";
import type { Overrides } from "./overrides.ts";
import type { OverridesWatch } from "./watch-overrides.ts";

/** Changes that are listed by id: whoever has missed more reads all tenants that operators set. */
const MOST_RECENT = 64;

export const managedTenantId = (tenantId: string): string => `tenant-${tenantId}`;

export interface ChangeTenantDeps extends ChangeDeps {
  readonly overridesWatch: OverridesWatch;
}

/** What is to become of a tenant. */
export interface TenantChange {
  readonly event: ControlEvent;
  readonly details: { readonly [name: string]: JsonValue };
  /** Undefined: nothing of it is set any more. */
  readonly next: Pick<ManagedTenant, "tenant" | "keys"> | undefined;
}

const MAX_TRIES = 8;

/**
 * Changes a tenant that operators set, with its audit record in one batch.
 * @param decide from the tenant as it is set, and all that are set with it; undefined: nothing changes. What it throws
 *   goes to the caller
 * @throws StoreUnavailable when it is not known whether it was made: the same change id may be sent again
 */
export async function changeTenant(
  deps: ChangeTenantDeps,
  tenantId: string,
  by: Change,
  decide: (before: ManagedTenant | undefined, set: TenantsSet) => TenantChange | undefined,
): Promise<ControlOutcome> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    // What is set together is judged by what this instance knows; that must be what is stored.
    await deps.overridesWatch.look();
    try {
      return await change(deps, tenantId, by, decide);
    } catch (thrown) {
      if (!(thrown instanceof Behind)) throw thrown;
    }
  }
  throw new StoreUnavailable(`tenants changed ${MAX_TRIES} times while ${tenantId} was being written`);
}

/** Others have changed tenants since this instance looked. */
class Behind extends Error {
  override readonly name = "Behind";
}

function change(
  deps: ChangeTenantDeps,
  tenantId: string,
  by: Change,
  decide: Parameters<typeof changeTenant>[3],
): Promise<ControlOutcome> {
  const id = managedTenantId(tenantId);
  const { current, tenants } = deps.overridesWatch;
  return changeControl(deps, {
    ...{ scope: OVERRIDES_SCOPE, changeId: by.changeId, actor: by.actor, reads: [OVERRIDES_ID, id] },
    decide: (items) => {
      const overrides = overridesOf(items.get(OVERRIDES_ID)?.value);
      if (overrides.tenant_changes.revision !== current().tenant_changes.revision) throw new Behind();
      const stored = items.get(id);
      const before =
        stored && readItem({ kind: "managed_tenant", document: managedTenantDocument }, id, stored.value);
      const decided = decide(before, tenants());
      if (decided === undefined) return undefined;
      const { event, details, next } = decided;
      const revision = overrides.tenant_changes.revision + 1;
      const changed: Overrides = {
        ...overrides,
        tenant_changes: {
          ...overrides.tenant_changes,
          revision,
          recent: [...overrides.tenant_changes.recent, { id: tenantId, gone: next === undefined }].slice(
            -MOST_RECENT,
          ),
        },
      };
      // Who set the fields stands beside them. Who changed keys stands in the trail alone.
      const isSet = next?.tenant !== before?.tenant || next?.tenant === null;
      const made = isSet ? { at_ms: deps.clock.now(), actor: by.actor, reason: by.reason } : {};
      const item: ControlItem = {
        ...before,
        id,
        kind: "managed_tenant",
        tenant_id: tenantId,
        revision,
        ...next,
        ...made,
      };
      return {
        event,
        reason: by.reason,
        details,
        writes: [
          { kind: "upsert", item: { ...changed, id: OVERRIDES_ID, kind: "overrides" } },
          next === undefined ? { kind: "delete", id } : { kind: "upsert", item },
        ],
      };
    },
  });
}
