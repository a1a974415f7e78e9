import type { Catalogue, Deployment, Route } from "../model/catalogue.ts";
import type { Operator, Tenant, Tenants } from "../tenant/tenants.ts";

/** The models and the tenants file that say what is in force: of files, store, limits and weights. Switches are no file's. */
export interface ExportedFiles {
  readonly models: { readonly deployments: readonly Deployment[]; readonly routes: readonly Route[] };
  readonly tenants: { readonly tenants: readonly Tenant[]; readonly operators: readonly Operator[] };
}

/** @param operatorKeySha256 of the operator that a setting makes: no file names him */
export function exportedFiles(
  catalogue: Catalogue,
  tenants: Tenants,
  operatorKeySha256: string | undefined,
): ExportedFiles {
  const routes = catalogue.routes.map((route) => {
    const targets = catalogue.model(route.model)?.targets ?? [];
    const weights = new Map(targets.map(({ deployment, weight }) => [deployment.name, weight]));
    return {
      ...route,
      targets: route.targets.map((each) => ({
        ...each,
        weight: weights.get(each.deployment) ?? each.weight,
      })),
    };
  });
  const operators = tenants.operators.filter(
    ({ key_sha256 }) => operatorKeySha256 === undefined || !key_sha256.includes(operatorKeySha256),
  );
  return {
    models: { deployments: catalogue.deployments, routes },
    // By id: a tenant's weight may have been set apart from it.
    tenants: { tenants: tenants.all.map((tenant) => tenants.get(tenant.id) ?? tenant), operators },
  };
}
