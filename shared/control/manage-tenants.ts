import type { JsonValue } from "../audit/control-record.ts";
import type { ControlOutcome } from "../audit/control-trail.ts";
import { type Fault, Problem } from "../errors.ts";
import { MAX_KEYS_PER_TENANT } from "../limits.ts";
import type { Catalogue } from "../model/catalogue.ts";
import { denialOf, mayUse } from "../model/choice.ts";
import { sha256Hex } from "../sha256.ts";
import { type Tenant, type TenantKey, type Tenants, tenantsFaults } from "../tenant/tenants.ts";
import type { Change } from "./change-overrides.ts";
import { type ChangeTenantDeps, changeTenant } from "./change-tenants.ts";
import { type ManagedTenant, type TenantsSet, withManagedTenants } from "./managed-tenants.ts";
import { misspelt } from "./misspelt.ts";

export interface ManageTenantsDeps extends ChangeTenantDeps {
  readonly base: { readonly tenants: () => Tenants };
  readonly catalogue: () => Catalogue;
  /** Whether this is the local stack, where its well-known keys are fine. */
  readonly settings: { readonly local: boolean };
  readonly randomHex: (bytes: number) => string;
}

/** @throws Problem tenant_not_found */
export function knownTenant(tenants: Tenants, id: string): Tenant {
  const tenant = tenants.get(id);
  if (tenant === undefined) throw new Problem("tenant_not_found", `There is no tenant ${id}.`);
  return tenant;
}

/**
 * Sets all fields of a tenant, in the place of the file's; its keys stay.
 * @throws Problem invalid_request with every fault, exists_already; StoreUnavailable
 */
export function setTenant(
  deps: ManageTenantsDeps,
  { keys: _, ...tenant }: Tenant,
  by: Change,
): Promise<ControlOutcome> {
  return changeTenant(deps, tenant.id, by, (before, set) => {
    const file = deps.base.tenants();
    // Keys of a tenant that is no more do not come back with another of its name.
    const known = withManagedTenants(file, set).get(tenant.id);
    const isKnown = known !== undefined;
    if (isKnown && by.isOnlyNew === true)
      throw new Problem("exists_already", `There is a tenant ${tenant.id} already.`);
    const next = { tenant, keys: isKnown ? (before?.keys ?? []) : [] };
    if (isSame(json(before?.tenant ?? null), json(tenant)) && isKnown) return undefined;
    const would = { tenant_id: tenant.id, ...next };
    // Whose budget is so already may be changed otherwise: the prices may have changed under it.
    const isNewCurrency = tenant.budget?.currency !== known?.budget?.currency;
    checkFaults(deps, set, would, isNewCurrency ? unpriced(tenant, deps.catalogue()) : []);
    const from = json(known === undefined ? null : { ...known, keys: undefined });
    return { event: "tenant_changed", details: { tenant_id: tenant.id, from, to: json(tenant) }, next };
  });
}

/**
 * Takes back what operators set: the file applies again. Of a tenant that no file has, its keys go too.
 * @throws Problem tenant_not_found, set_by_file, invalid_request; StoreUnavailable
 */
export function resetTenant(deps: ManageTenantsDeps, id: string, by: Change): Promise<ControlOutcome> {
  return changeTenant(deps, id, by, (before, set) => {
    const file = deps.base.tenants();
    if (before === undefined || before.tenant === null) {
      knownTenant(withManagedTenants(file, set), id);
      throw new Problem("set_by_file", `The tenant ${id} stands in the tenants file.`);
    }
    const isInFile = file.get(id) !== undefined;
    const next = isInFile && before.keys.length > 0 ? { tenant: null, keys: before.keys } : undefined;
    if (isInFile) checkFaults(deps, set, { tenant_id: id, tenant: null, keys: before.keys });
    return { event: "tenant_changed", details: { tenant_id: id, from: json(before.tenant), to: null }, next };
  });
}

/**
 * Makes a key. Only its hash is stored: whoever asks again with the same change id is not told the key again.
 * @returns the key as it is stored, and `secret` where it was made now
 * @throws Problem tenant_not_found, invalid_request; StoreUnavailable
 */
export async function makeKey(
  deps: ManageTenantsDeps,
  tenantId: string,
  asked: Pick<TenantKey, "name" | "expires_at">,
  by: Change,
): Promise<{ readonly key: TenantKey; readonly secret: string | undefined }> {
  const secret = `sy_${deps.randomHex(24)}`;
  const sha256 = sha256Hex(secret);
  const key: TenantKey = {
    ...{ id: `key_${sha256.slice(0, 24)}`, sha256, prefix: secret.slice(0, 9), ...asked },
    created_at: Math.floor(deps.clock.now() / 1000),
  };
  const outcome = await changeTenant(deps, tenantId, by, (before, set) => {
    const tenant = knownTenant(withManagedTenants(deps.base.tenants(), set), tenantId);
    if ((tenant.keys?.length ?? 0) >= MAX_KEYS_PER_TENANT)
      throw refused([`the tenant has ${MAX_KEYS_PER_TENANT} keys: take one back first`]);
    const next = { tenant: before?.tenant ?? null, keys: [...(before?.keys ?? []), key] };
    return { event: "key_made", details: { tenant_id: tenantId, key: json(key) }, next };
  });
  if (outcome.kind !== "changed") throw new TypeError("a new key always changes something");
  const made = outcome.record.details.key as unknown as TenantKey;
  return { key: made, secret: made.sha256 === sha256 ? secret : undefined };
}

/** @throws Problem tenant_not_found, key_not_found, set_by_file; StoreUnavailable */
export function revokeKey(
  deps: ManageTenantsDeps,
  tenantId: string,
  keyId: string,
  by: Change,
): Promise<ControlOutcome> {
  return changeTenant(deps, tenantId, by, (before, set) => {
    const tenant = knownTenant(withManagedTenants(deps.base.tenants(), set), tenantId);
    const key = before?.keys.find(({ id }) => id === keyId);
    if (before === undefined || key === undefined) {
      if (tenant.keys?.some(({ id }) => id === keyId))
        throw new Problem("set_by_file", `The key ${keyId} stands in the tenants file.`);
      throw new Problem("key_not_found", `The tenant ${tenantId} has no key ${keyId}.`);
    }
    const keys = before.keys.filter(({ id }) => id !== keyId);
    const next = keys.length === 0 && before.tenant === null ? undefined : { tenant: before.tenant, keys };
    return { event: "key_revoked", details: { tenant_id: tenantId, key: json(key) }, next };
  });
}

/** What the files would be refused for, if the tenant stood in them so. @throws Problem invalid_request */
function checkFaults(
  { base, catalogue, settings }: ManageTenantsDeps,
  set: TenantsSet,
  next: Pick<ManagedTenant, "tenant_id" | "tenant" | "keys">,
  more: readonly Fault[] = [],
): void {
  const faultsOf = (of: TenantsSet) => {
    const { all, operators } = withManagedTenants(base.tenants(), of);
    return [...tenantsFaults(all, operators, settings.local), ...misspelt(all, catalogue())];
  };
  const would = { ...next, revision: 0, at_ms: 0, actor: "", reason: null };
  // What is wrong already is not this change's fault: the files may have changed under what was set.
  const before = new Set(faultsOf(set));
  const faults = faultsOf(new Map(set).set(next.tenant_id, would)).filter((fault) => !before.has(fault));
  if (faults.length + more.length > 0) throw refused(faults, more);
}

/** A budget in whose currency nothing has a price that the tenant may use: it could not call anything. */
function unpriced({ allow_models, deny_providers, budget }: Tenant, { models }: Catalogue): Fault[] {
  const allowed = models
    .filter(({ id }) => mayUse(allow_models, id))
    .flatMap(({ targets }) => targets.map(({ deployment }) => deployment))
    .filter((deployment) => denialOf(deployment, { deny_providers }) === undefined);
  const currencies = [...new Set(allowed.map(({ price }) => price.currency))].sort();
  if (budget === undefined || currencies.length === 0 || currencies.includes(budget.currency)) return [];
  const message = `no model that the tenant may use has a price in ${budget.currency}: prices are in ${currencies.join(", ")}`;
  return [{ path: "/budget/currency", message }];
}

function refused(messages: readonly string[], more: readonly Fault[] = []): Problem {
  const faults = [...messages.map((message) => ({ path: "", message })), ...more];
  const detail = faults.length === 1 ? "One fault was found." : `${faults.length} faults were found.`;
  return new Problem("invalid_request", detail, { faults });
}

/** As it is stored: without what is undefined. */
function json(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}

const isSame = (one: JsonValue, other: JsonValue) => JSON.stringify(one) === JSON.stringify(other);
