import type { Catalogue } from "../model/catalogue.ts";
import type { Tenants } from "../tenant/tenants.ts";
import { effectiveCatalogue, type Overrides } from "./overrides.ts";

/** Catalogue and tenants as they are in force: the files, and what operators have set over them. */
export interface EffectiveConfiguration {
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
}

/** Each is put together once for each version of what it is made of. */
export function effectiveConfiguration(
  file: () => Catalogue,
  tenantsFile: () => Tenants,
  overrides: () => Overrides,
): EffectiveConfiguration {
  return {
    catalogue: latest(file, overrides, effectiveCatalogue),
    tenants: latest(tenantsFile, overrides, withWeights),
  };
}

function latest<A, R>(from: () => A, overrides: () => Overrides, make: (a: A, o: Overrides) => R): () => R {
  let made: { readonly from: A; readonly overrides: Overrides; readonly result: R } | undefined;
  return () => {
    const [a, o] = [from(), overrides()];
    if (made?.from !== a || made.overrides !== o) made = { from: a, overrides: o, result: make(a, o) };
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
