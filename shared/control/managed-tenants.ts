import { z } from "zod";
import { document } from "../store.ts";
import {
  indexTenants,
  type Tenant,
  type TenantKey,
  type Tenants,
  tenantKeySchema,
  tenantSchema,
} from "../tenant/tenants.ts";

/** A tenant as operators set it while the service runs: its fields, its keys, or both. */
export const managedTenantDocument = document("managed_tenant", {
  scope: z.string(),
  tenant_id: z.string(),
  /** Of `tenant_changes`, when it was written. */
  revision: z.number().int(),
  /** They take the place of the file's; null: the file's hold, and operators made keys only. */
  tenant: tenantSchema.loose().nullable(),
  keys: z.array(tenantKeySchema.loose()),
  /** Unix ms. */
  at_ms: z.number(),
  actor: z.string(),
  reason: z.string().nullable(),
});
export type ManagedTenant = Readonly<
  Pick<
    z.infer<typeof managedTenantDocument>,
    "tenant_id" | "revision" | "tenant" | "keys" | "at_ms" | "actor" | "reason"
  >
>;

/** One that cannot be read is nobody: what it forbids is not known. */
export interface UnreadableTenant {
  readonly tenant_id: string;
  readonly revision: undefined;
}
export type TenantsSet = ReadonlyMap<string, ManagedTenant | UnreadableTenant>;
export const NO_TENANTS_SET: TenantsSet = new Map();

/** The tenants of the file with what operators set over them, each at its place; new ones follow. Pure. */
export function withManagedTenants(file: Tenants, set: TenantsSet): Tenants {
  if (set.size === 0) return file;
  const known = new Set(file.all.map(({ id }) => id));
  const all = [
    ...file.all.flatMap((tenant) => managed(tenant, set.get(tenant.id))),
    ...[...set.values()]
      .filter(({ tenant_id }) => !known.has(tenant_id))
      .flatMap((each) => managed(undefined, each)),
  ];
  return indexTenants(all, file.operators);
}

function managed(file: Tenant | undefined, set: ManagedTenant | UnreadableTenant | undefined): Tenant[] {
  if (set === undefined) return file === undefined ? [] : [file];
  if (set.revision === undefined) return [];
  const tenant = set.tenant === null ? file : tenantSchema.strip().parse(set.tenant);
  if (tenant === undefined) return [];
  const made = set.keys.map((key): TenantKey => tenantKeySchema.strip().parse(key));
  const ids = new Set(made.map(({ id }) => id));
  const keys = [...(file?.keys ?? []).filter(({ id }) => !ids.has(id)), ...made];
  return [keys.length === 0 ? tenant : { ...tenant, keys }];
}
