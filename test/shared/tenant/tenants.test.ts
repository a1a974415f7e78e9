import { describe, expect, it, vi } from "vitest";
import { sha256Hex } from "../../../shared/sha256.ts";
import { parseTenants } from "../../../shared/tenant/tenants.ts";

const faultsOf = (json: unknown, local = false) => {
  const parsed = parseTenants(json, { local });
  return "faults" in parsed ? parsed.faults : [];
};
const hash = sha256Hex("a key of some length");

describe("the tenants file", () => {
  it("gives tenants by key, application and id", () => {
    const parsed = parseTenants({ tenants: [{ id: "a", key_sha256: [hash], weight: 2 }] }, { local: false });
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    expect(parsed.tenants.byKeyHash(hash)).toMatchObject({
      kind: "tenant",
      tenant: { id: "a", weight: 2, allow_models: ["*"] },
    });
    expect(parsed.tenants.byKeyHash(sha256Hex("another"))).toBeUndefined();
    expect(parsed.tenants.get("a")?.id).toBe("a");
  });

  it("names every fault", () => {
    const faults = faultsOf({
      tenants: [
        { id: "bad id", key_sha256: ["short"], colour: "red" },
        { id: "b", weight: 0, entra_app_ids: ["no-guid"] },
      ],
    });
    for (const path of [
      "/tenants/0/id",
      "/tenants/0/key_sha256/0",
      "/tenants/0: ",
      "/tenants/1/weight",
      "/tenants/1/entra_app_ids/0",
    ]) {
      expect(faults.some((fault) => fault.startsWith(path))).toBe(true);
    }
  });

  it("wants a rate for a burst, and takes a tenant that may ask for no model", () => {
    const tenant = { id: "a", key_sha256: [hash], allow_models: [] };
    expect(faultsOf({ tenants: [tenant] })).toEqual([]);
    expect(faultsOf({ tenants: [{ ...tenant, limits: { burst: 5 } }] })).toEqual([
      "/tenants/0/limits/submits_per_second: a number of submits a second is needed, with a burst or without",
    ]);
  });

  it("refuses ids, keys and applications used twice", () => {
    const app = "11111111-1111-4111-8111-111111111111";
    const twice = {
      tenants: [
        { id: "a", key_sha256: [hash], entra_app_ids: [app] },
        { id: "b", key_sha256: [hash], entra_app_ids: [app] },
      ],
      operators: [{ id: "a" }],
    };
    expect(faultsOf(twice)).toHaveLength(3);
  });

  it("is taken in steps that grow with it, not with its square, and so is a key looked up", () => {
    const tenants = Array.from({ length: 2_000 }, (_, n) => ({
      id: `t${n}`,
      key_sha256: [sha256Hex(`${n}`)],
    }));
    const looked = (["indexOf", "includes", "find", "some"] as const).map((name) =>
      vi.spyOn(Array.prototype, name),
    );
    const parsed = parseTenants({ tenants }, { local: false });
    const found = "tenants" in parsed ? parsed.tenants.byKeyHash(sha256Hex("1999")) : undefined;
    const arrays = looked.flatMap(({ mock }) => mock.contexts as unknown[][]);
    const steps = arrays.reduce((sum, { length }) => sum + length, 0);
    for (const each of looked) each.mockRestore();
    expect(found).toMatchObject({ tenant: { id: "t1999" } });
    expect(steps).toBeLessThan(2_000 * 50);
  });

  it("refuses the keys of the documentation outside the local stack", () => {
    const local = { tenants: [{ id: "a", key_sha256: [sha256Hex("local-team-a")] }] };
    expect(faultsOf(local)).toHaveLength(1);
    expect(faultsOf(local, true)).toEqual([]);
  });

  it("has one operator more, whose key's hash a setting gives", () => {
    const parsed = parseTenants({ tenants: [{ id: "a" }] }, { local: false, operatorKeySha256: hash });
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    expect(parsed.tenants.byKeyHash(hash)).toMatchObject({ operator: { id: "first-operator" } });
  });

  it("refuses that key where the file has it too, or where it is the documentation's", () => {
    const tenants = { tenants: [{ id: "a", key_sha256: [hash] }] };
    expect(parseTenants(tenants, { local: false, operatorKeySha256: hash })).toHaveProperty("faults");
    const known = { local: false, operatorKeySha256: sha256Hex("local-operator") };
    expect(parseTenants({ tenants: [{ id: "a" }] }, known)).toHaveProperty("faults");
  });
});
