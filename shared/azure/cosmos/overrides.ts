import type { ManagedTenant, UnreadableTenant } from "../../control/managed-tenants.ts";
import { NO_OVERRIDES } from "../../control/overrides.ts";
import type { OverridesStore } from "../../control/watch-overrides.ts";
import { ITEMS, managedTenantPlace, overridesPlace, tenantIdOf } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** What operators have set, in the `control` container; read with an etag, so that an unchanged one costs least. */
export class CosmosOverrides implements OverridesStore {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async readOverrides(etag: string | undefined): ReturnType<OverridesStore["readOverrides"]> {
    const found = await this.#control.readIfChanged(ITEMS.overrides, overridesPlace, etag);
    if (found === "unchanged") return found;
    return { overrides: found?.value ?? NO_OVERRIDES, etag: found?.etag };
  }

  async readTenants(ids: readonly string[] | undefined): ReturnType<OverridesStore["readTenants"]> {
    const kind = ITEMS.managed_tenant;
    if (ids === undefined) {
      const found = await this.#control.findOrTell(kind, {}, { partition: overridesPlace.partition });
      return found.map(({ row, value }) => value ?? unreadable(tenantIdOf(String(row.id))));
    }
    const found = await Promise.all(
      ids.map(async (id): Promise<(ManagedTenant | UnreadableTenant)[]> => {
        const item = await this.#control.readOrTell(kind, managedTenantPlace(id));
        return item === undefined ? [] : [item.value ?? unreadable(id)];
      }),
    );
    return found.flat();
  }
}

const unreadable = (tenant_id: string): UnreadableTenant => ({ tenant_id, revision: undefined });
