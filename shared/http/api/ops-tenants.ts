import { z } from "zod";
import type { KeyUseStore } from "../../control/key-uses.ts";
import {
  knownTenant,
  type ManageTenantsDeps,
  makeKey,
  resetTenant,
  revokeKey,
  setTenant,
} from "../../control/manage-tenants.ts";
import { MAX_OPS_BODY_BYTES } from "../../limits.ts";
import { type Tenant, type TenantKey, type Tenants, tenantSchema } from "../../tenant/tenants.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { changeHeaders, changeOf, setHeaders } from "./change.ts";
import { secondsOf, text, unixTime, whole } from "./fields.ts";
import { origin, originOf } from "./origin.ts";
import { listSchema } from "./page.ts";
import { operatorsReason } from "./parameters.ts";

export interface OpsTenantsDeps extends ManageTenantsDeps {
  /** As in force. */
  readonly tenants: () => Tenants;
  readonly keyUses: KeyUseStore;
  readonly newId: () => string;
}

const { id: tenantId, keys: _, ...fields } = tenantSchema.shape;

const tenantResourceSchema = z
  .object({
    object: z.literal("tenant"),
    id: tenantId,
    ...origin,
    key_count: whole("How many keys with an id it has; hashes in `key_sha256` come besides."),
    ...fields,
  })
  .meta({ id: "Tenant", title: "A tenant, as operators see it" });

function tenantResource({ overridesWatch }: OpsTenantsDeps, { keys = [], ...tenant }: Tenant) {
  const set = overridesWatch.tenants().get(tenant.id);
  const made = set?.revision !== undefined && set.tenant !== null ? set : undefined;
  return { object: "tenant", ...tenant, ...originOf(made), key_count: keys.length } as const;
}

const inPath = {
  // What can be no id names no tenant, and asks the store nothing.
  schema: z.object({ id: tenantId.describe("The tenant's id.") }),
  absent: "tenant_not_found",
} as const;
const KEY_ID = /^[\w:.-]{1,64}$/;

const list = route({
  name: "list-ops-tenants",
  method: "GET",
  path: "api/ops/tenants",
  who: "operator",
  summary: "Operators: every tenant, of the file and of the store",
  answers: { 200: { description: "All of them.", schema: listSchema(tenantResourceSchema) } },
  handle: async (deps: OpsTenantsDeps) => {
    await deps.overridesWatch.look();
    const data = deps.tenants().all.map((tenant) => tenantResource(deps, tenant));
    return json(200, { object: "list", data });
  },
});

const get = route({
  name: "get-ops-tenant",
  method: "GET",
  path: "api/ops/tenants/{id}",
  who: "operator",
  summary: "Operators: a tenant, and where it comes from",
  params: inPath,
  answers: { 200: { description: "The tenant.", schema: tenantResourceSchema } },
  errors: ["tenant_not_found"],
  handle: async (deps: OpsTenantsDeps, { path: { id } }) => {
    await deps.overridesWatch.look();
    return json(200, tenantResource(deps, knownTenant(deps.tenants(), id)));
  },
});

const set = route({
  name: "set-ops-tenant",
  method: "PUT",
  path: "api/ops/tenants/{id}",
  who: "operator",
  summary: "Operators: set all fields of a tenant, new or in the place of the file's; effective within 5 s",
  params: { schema: z.object({ id: z.string().describe("The tenant's id.") }), absent: "tenant_not_found" },
  headers: setHeaders,
  body: {
    schema: z
      .strictObject({ ...fields, reason: operatorsReason })
      .meta({ id: "TenantChange", title: "What setting a tenant takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: { 200: { description: "The tenant as it is now.", schema: tenantResourceSchema } },
  errors: ["tenant_not_found", "exists_already"],
  handle: async (deps: OpsTenantsDeps, input, caller) => {
    const { reason, ...tenant } = input.body;
    const id = tenantId.safeParse(input.path.id);
    if (!id.success) throw invalidRequest([{ path: "id", message: id.error.issues[0]?.message ?? "" }]);
    await setTenant(deps, { ...tenant, id: id.data }, changeOf(deps, "PUT", input, caller, reason));
    await deps.overridesWatch.look();
    return json(200, tenantResource(deps, knownTenant(deps.tenants(), id.data)));
  },
});

const reset = route({
  name: "reset-ops-tenant",
  method: "DELETE",
  path: "api/ops/tenants/{id}",
  who: "operator",
  summary:
    "Operators: take back what was set of a tenant; the file applies again, or the tenant and its keys are gone",
  params: inPath,
  headers: changeHeaders,
  answers: { 204: { description: "It is taken back." } },
  errors: ["tenant_not_found", "set_by_file", "invalid_request"],
  handle: async (deps: OpsTenantsDeps, input, caller) => {
    await resetTenant(deps, input.path.id, changeOf(deps, "DELETE", input, caller));
    await deps.overridesWatch.look();
    return { status: 204, headers: {} };
  },
});

const keyFields = {
  id: text("`key_` and 24 hex digits."),
  prefix: text("How the key begins, to tell it by.").nullable(),
  name: text("As it was given.").nullable(),
  created_at: unixTime("When it was made, Unix time, seconds; null: not known.").nullable(),
  expires_at: unixTime(
    "From then on it is refused, Unix time, seconds; null: it does not expire.",
  ).nullable(),
  last_used_at: unixTime("Unix time, seconds, to the hour; null: never.").nullable(),
};
const keySchema = z
  .object({ object: z.literal("key"), source: origin.source, ...keyFields })
  .meta({ id: "TenantKey", title: "A tenant's key, without the key itself" });
const newKeySchema = z
  .object({
    ...{ object: z.literal("key"), source: origin.source, ...keyFields },
    key: text(
      "The key itself, shown this once; null: it was made before, by a request of the same Idempotency-Key.",
    ).nullable(),
  })
  .meta({ id: "NewTenantKey", title: "A new key" });

/** @param usedMs when it was last used, Unix ms */
function keyResource(key: TenantKey, source: "file" | "store", usedMs: number | undefined) {
  const { id, prefix = null, name = null, created_at = null, expires_at = null } = key;
  const last_used_at = usedMs === undefined ? null : secondsOf(usedMs);
  return { object: "key", source, id, prefix, name, created_at, expires_at, last_used_at } as const;
}

const listKeys = route({
  name: "list-ops-tenant-keys",
  method: "GET",
  path: "api/ops/tenants/{id}/keys",
  who: "operator",
  summary: "Operators: a tenant's keys, never the keys themselves",
  params: inPath,
  answers: { 200: { description: "All of them.", schema: listSchema(keySchema) } },
  errors: ["tenant_not_found"],
  handle: async (deps: OpsTenantsDeps, { path: { id } }) => {
    await deps.overridesWatch.look();
    const { keys = [] } = knownTenant(deps.tenants(), id);
    const made = deps.overridesWatch.tenants().get(id);
    const stored = new Set(made?.revision === undefined ? [] : made.keys.map((key) => key.id));
    const data = await Promise.all(
      keys.map(async (key) => {
        const use = await deps.keyUses.read(key.id);
        return keyResource(key, stored.has(key.id) ? "store" : "file", use?.value.used_ms);
      }),
    );
    return json(200, { object: "list", data });
  },
});

const makeKeyRoute = route({
  name: "make-ops-tenant-key",
  method: "POST",
  path: "api/ops/tenants/{id}/keys",
  who: "operator",
  summary: "Operators: make a key for a tenant; it is shown this once, and works on all instances within 5 s",
  params: inPath,
  headers: changeHeaders,
  body: {
    schema: z
      .strictObject({
        name: z.string().min(1).max(100).optional().describe("To tell it by."),
        expires_at: z
          .int()
          .nullish()
          .describe("From then on it is refused, Unix time, seconds; without it: never."),
        reason: operatorsReason,
      })
      .meta({ id: "KeyChange", title: "What making a key takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: { 201: { description: "The key.", schema: newKeySchema } },
  errors: ["tenant_not_found"],
  handle: async (deps: OpsTenantsDeps, input, caller) => {
    const { name, expires_at, reason } = input.body;
    if (expires_at != null && expires_at * 1000 <= deps.clock.now())
      throw invalidRequest([{ path: "/expires_at", message: "is over already" }]);
    const asked = {
      ...(name === undefined ? {} : { name }),
      ...(expires_at == null ? {} : { expires_at }),
    };
    const change = changeOf(deps, "POST", input, caller, reason);
    const { key, secret = null } = await makeKey(deps, input.path.id, asked, change);
    await deps.overridesWatch.look();
    return json(201, { ...keyResource(key, "store", undefined), key: secret });
  },
});

const revokeKeyRoute = route({
  name: "revoke-ops-tenant-key",
  method: "DELETE",
  path: "api/ops/tenants/{id}/keys/{key_id}",
  who: "operator",
  summary: "Operators: revoke a key; all instances refuse it within 5 s",
  params: {
    schema: z.object({
      id: tenantId.describe("The tenant's id."),
      key_id: z.string().regex(KEY_ID, "There is no such key.").describe("The key's id."),
    }),
    absent: "key_not_found",
  },
  headers: changeHeaders,
  answers: { 204: { description: "It is revoked." } },
  errors: ["tenant_not_found", "key_not_found", "set_by_file", "invalid_request"],
  handle: async (deps: OpsTenantsDeps, input, caller) => {
    const { id, key_id: keyId } = input.path;
    await revokeKey(deps, id, keyId, changeOf(deps, "DELETE", input, caller));
    await Promise.all([deps.overridesWatch.look(), deps.keyUses.remove(keyId)]);
    return { status: 204, headers: {} };
  },
});

export const opsTenantRoutes: readonly Route<OpsTenantsDeps>[] = [
  list,
  get,
  set,
  reset,
  listKeys,
  makeKeyRoute,
  revokeKeyRoute,
];
