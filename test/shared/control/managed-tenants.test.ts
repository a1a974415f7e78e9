import { describe, expect, it } from "vitest";
import {
  type ManagedTenant,
  NO_TENANTS_SET,
  type UnreadableTenant,
  withManagedTenants,
} from "../../../shared/control/managed-tenants.ts";
import { NO_OVERRIDES, type Overrides } from "../../../shared/control/overrides.ts";
import { watchOverrides } from "../../../shared/control/watch-overrides.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { indexTenants, parseTenants, type Tenant } from "../../../shared/tenant/tenants.ts";
import { silent, TestClock, tenantsWith } from "../world.ts";

const tenant = (id: string, change: Partial<Tenant> = {}): Tenant => {
  const parsed = parseTenants({ tenants: [{ id, ...change }] }, { local: true });
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  const [first] = parsed.tenants.all;
  if (first === undefined) throw new Error("none");
  return first;
};
const set = (id: string, revision: number, of: Partial<ManagedTenant> = {}): ManagedTenant => ({
  ...{ tenant_id: id, revision, tenant: tenant(id), keys: [], at_ms: 0, actor: "ops", reason: null, ...of },
});
const key = (secret: string) => {
  const sha256 = sha256Hex(secret);
  return { id: `key_${sha256.slice(0, 24)}`, sha256 };
};
const mapOf = (...all: (ManagedTenant | UnreadableTenant)[]) =>
  new Map(all.map((each) => [each.tenant_id, each]));

describe("what operators set over the tenants file", () => {
  const file = tenantsWith();

  it("takes the place of the file's fields, adds keys and tenants, and leaves all else", () => {
    expect(withManagedTenants(file, NO_TENANTS_SET)).toBe(file);
    const over = withManagedTenants(
      file,
      mapOf(
        set("team-b", 1, { tenant: tenant("team-b", { weight: 5 }) }),
        set("team-a", 2, { tenant: null, keys: [key("made")] }),
        set("team-c", 3),
      ),
    );
    expect(over.all.map(({ id, weight }) => [id, weight])).toEqual([
      ["team-a", 1],
      ["team-b", 5],
      ["team-c", 1],
    ]);
    expect(over.byKeyHash(sha256Hex("made"))).toMatchObject({ tenant: { id: "team-a" }, key: key("made") });
  });

  it("keeps a key with no tenant, and a tenant that cannot be read, from everybody", () => {
    const keys = [key("made")];
    const over = withManagedTenants(
      file,
      mapOf(set("gone", 1, { tenant: null, keys }), { tenant_id: "team-a", revision: undefined }),
    );
    expect(over.byKeyHash(sha256Hex("made"))).toBeUndefined();
    expect([over.get("team-a"), over.get("team-b")?.id]).toEqual([undefined, "team-b"]);
  });

  it("gives a credential that two have to the operator, then to the file's tenant", () => {
    const hash = sha256Hex("shared");
    const operator = { id: "ops", key_sha256: [hash], entra_roles: [], entra_scopes: [] };
    const own = indexTenants([tenant("team-a", { key_sha256: [hash] })], []);
    const stolen = mapOf(set("thief", 1, { tenant: tenant("thief", { key_sha256: [hash] }) }));
    expect(withManagedTenants(own, stolen).byKeyHash(hash)).toMatchObject({ tenant: { id: "team-a" } });
    expect(withManagedTenants(indexTenants([], [operator]), stolen).byKeyHash(hash)).toMatchObject({
      kind: "operator",
    });
  });
});

describe("the watch of tenants", () => {
  function watched() {
    const asked: (readonly string[] | undefined)[] = [];
    const store = {
      overrides: NO_OVERRIDES as Overrides,
      tenants: new Map<string, ManagedTenant>(),
      change(id: string, value: ManagedTenant | undefined) {
        const { revision, recent } = this.overrides.tenant_changes;
        if (value === undefined) this.tenants.delete(id);
        else this.tenants.set(id, { ...value, revision: revision + 1 });
        const changes = [...recent, { id, gone: value === undefined }].slice(-2);
        this.overrides = { ...this.overrides, tenant_changes: { revision: revision + 1, recent: changes } };
      },
      readOverrides(etag: string | undefined) {
        const now = String(this.overrides.tenant_changes.revision);
        return Promise.resolve(
          etag === now ? ("unchanged" as const) : { overrides: this.overrides, etag: now },
        );
      },
      readTenants(ids: readonly string[] | undefined) {
        asked.push(ids);
        const all = [...this.tenants.values()];
        return Promise.resolve(all.filter(({ tenant_id }) => ids?.includes(tenant_id) ?? true));
      },
    };
    const deps = { store, clock: new TestClock(), log: silent, onChange: () => undefined };
    return { asked, store, watch: watchOverrides(deps) };
  }

  it("reads what has changed, and all where it has missed more than is listed", async () => {
    const { asked, store, watch } = watched();
    const ids = () => [...watch.tenants().keys()].sort();
    store.change("a", set("a", 0));
    await watch.fresh();
    store.change("b", set("b", 0));
    store.change("a", undefined);
    await watch.look();
    expect(ids()).toEqual(["b"]);
    for (const id of ["c", "d", "e"]) store.change(id, set(id, 0));
    store.change("b", undefined);
    await watch.look();
    expect(ids()).toEqual(["c", "d", "e"]);
    expect(asked).toEqual([["a"], ["b", "a"], undefined]);
  });

  it("does not take what a replica that lags says for what was written", async () => {
    const { store, watch } = watched();
    store.change("a", set("a", 0));
    const written = store.tenants.get("a");
    store.tenants.clear();
    await expect(watch.fresh()).rejects.toThrow(StoreUnavailable);
    if (written !== undefined) store.tenants.set("a", written);
    await watch.look();
    expect(watch.tenants().get("a")).toEqual(written);
  });
});
