import type { Catalogue } from "../model/catalogue.ts";
import type { Tenants } from "../tenant/tenants.ts";
import { type CatalogueCheck, withManagedCatalogue } from "./managed-catalogue.ts";
import { withManagedTenants } from "./managed-tenants.ts";
import { effectiveCatalogue, type Overrides } from "./overrides.ts";
import type { OverridesWatch } from "./watch-overrides.ts";

/** Catalogue and tenants as they are in force: the files, and what operators have set over them. */
export interface EffectiveConfiguration {
  /** Deployments and routes of file and store, without switches, limits and weights. */
  readonly written: () => Catalogue;
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
}

/** Each is put together once for each version of what it is made of. */
export function effectiveConfiguration(
  file: () => Catalogue,
  tenantsFile: () => Tenants,
  set: Pick<OverridesWatch, "current" | "tenants">,
  checked: { readonly check: CatalogueCheck; readonly onLeftOut: (names: readonly string[]) => void },
): EffectiveConfiguration {
  const written = latest(file, set.current, (from, overrides) => {
    const { catalogue, leftOut } = withManagedCatalogue(from, overrides, checked.check);
    if (leftOut.length > 0) checked.onLeftOut(leftOut);
    return catalogue;
  });
  const tenants = latest(tenantsFile, set.tenants, withManagedTenants);
  return {
    written,
    catalogue: latest(written, set.current, effectiveCatalogue),
    tenants: latest(tenants, set.current, withWeights),
  };
}

function latest<A, B, R>(from: () => A, over: () => B, make: (a: A, b: B) => R): () => R {
  let made: { readonly from: A; readonly over: B; readonly result: R } | undefined;
  return () => {
    const [a, b] = [from(), over()];
    if (made?.from !== a || made.over !== b) made = { from: a, over: b, result: make(a, b) };
    return made.result;
  };
}

/** Credentials lead to the tenant of the file; its weight matters where it is looked up by id, in fair shares. */
export function withWeights(tenants: Tenants, overrides: Overrides): Tenants {
  if (overrides.tenant_weights.length === 0) return tenants;
  const weights = new Map(overrides.tenant_weights.map((each) => [each.tenant, each.weight]));
  return {
    ...tenants,
    get(id) {
      const tenant = tenants.get(id);
      const weight = weights.get(id);
      return tenant === undefined || weight === undefined ? tenant : { ...tenant, weight };
    },
  };
}
