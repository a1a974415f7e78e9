import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { FRESH_MS } from "../../../../shared/fresh-copy.ts";
import { sha256Hex } from "../../../../shared/sha256.ts";
import { StoreUnavailable } from "../../../../shared/store.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
const one = new Operated(world, "one");
const two = new Operated(world, "two");

/** So long that the other instance looks again. */
beforeEach(() => world.clock.advance(FRESH_MS + 1));
const mayUse = async (door: Operated, key: string) => (await door.call("GET", "/api/models", { key })).status;

describe("tenants", () => {
  it("of file and store are listed together, each with its source", async () => {
    await one.ops(200, "PUT", "tenants/team-c", { weight: 3, allow_models: ["openai-one-*"], reason: "new" });
    const { data } = await two.ops(200, "GET", "tenants");
    expect(data.map((each: { id: string; source: string }) => [each.id, each.source])).toEqual([
      ["team-a", "file"],
      ["team-b", "file"],
      ["team-c", "store"],
    ]);
    expect(await two.ops(200, "GET", "tenants/team-c")).toMatchObject({
      ...{ object: "tenant", weight: 3, allow_models: ["openai-one-*"], key_sha256: [], key_count: 0 },
      ...{ since: world.clock.now() / 1000 - 0.001, reason: "new" },
      actor: expect.stringMatching(/^ops\/key:/),
    });
    const record = (await one.ops(200, "GET", "audit?scope=switches&limit=1")).data[0];
    expect(record).toMatchObject({
      event: "tenant_changed",
      reason: "new",
      actor: expect.stringMatching(/^ops/),
    });
    expect(record.details).toMatchObject({
      tenant_id: "team-c",
      from: null,
      to: { id: "team-c", weight: 3 },
    });
  });

  it("of the file are replaced while something is set over them, and come back", async () => {
    await one.ops(200, "PUT", "tenants/team-b", { key_sha256: [sha256Hex("other")] });
    world.clock.advance(FRESH_MS + 1);
    expect([await mayUse(two, "team-b"), await mayUse(two, "other")]).toEqual([401, 200]);
    expect(await two.ops(200, "GET", "tenants/team-b")).toMatchObject({ source: "store" });
    await two.ops(204, "DELETE", "tenants/team-b");
    world.clock.advance(FRESH_MS + 1);
    expect([await mayUse(one, "team-b"), await mayUse(one, "other")]).toEqual([200, 401]);
    expect((await one.ops(409, "DELETE", "tenants/team-b")).code).toBe("set_by_file");
    expect((await one.ops(404, "DELETE", "tenants/nobody")).code).toBe("tenant_not_found");
  });

  it("are left as they are by a PUT that wants a new one", async () => {
    const make = (id: string, more: object = {}) =>
      one.call("PUT", `/api/ops/tenants/${id}`, {
        ...{ body: { weight: 9 }, headers: { "if-none-match": "*", ...more } },
      });
    expect([(await make("team-f")).status, (await make("team-b")).json.code]).toEqual([
      200,
      "exists_already",
    ]);
    const again = await make("team-f");
    expect([again.status, again.json.code]).toEqual([412, "exists_already"]);
    expect(await two.ops(200, "GET", "tenants/team-b")).toMatchObject({ source: "file", weight: 1 });
    const named = { "idempotency-key": "make team-g" };
    expect([(await make("team-g", named)).status, (await make("team-g", named)).status]).toEqual([200, 200]);
    const { json } = await make("team-h", { "if-none-match": '"x"' });
    expect(json.faults).toEqual([{ path: "If-None-Match", message: "must be *" }]);
  });

  it("that are made, changed and taken back are told apart in the trail", async () => {
    await one.ops(200, "PUT", "tenants/team-i", {});
    await one.ops(200, "PUT", "tenants/team-a", { weight: 2, key_sha256: [sha256Hex("team-a")] });
    await one.ops(204, "DELETE", "tenants/team-a");
    const { data } = await one.ops(200, "GET", "audit?limit=3");
    type Details = { tenant_id: string; from: { weight: number } | null; to: { weight: number } | null };
    const told = data.map(({ details }: { details: Details }) => {
      const { tenant_id, from, to } = details;
      return [tenant_id, from?.weight ?? null, to?.weight ?? null];
    });
    expect(told).toEqual([
      ["team-a", 2, null],
      ["team-a", 1, 2],
      ["team-i", null, 1],
    ]);
  });

  it("are refused with every fault, as the file is", async () => {
    const faultsOf = async (id: string, body: object) => {
      const { code, faults } = await one.ops(400, "PUT", `tenants/${id}`, body);
      return [code, ...faults.map((each: { path: string; message: string }) => each.message)];
    };
    const refused = await faultsOf("team-d", {
      ...{ key_sha256: [sha256Hex("team-a")], allow_models: ["openai-oen-model"] },
      deny_providers: ["opneai"],
    });
    expect(refused).toEqual([
      "invalid_request",
      expect.stringMatching(/^the key with SHA-256 .{8}… is used twice$/),
      "tenant team-d: deny_providers: there is no opneai; is it openai?",
      "tenant team-d: allow_models: there is no openai-oen-model; is it openai-one-model?",
    ]);
    expect(await faultsOf("ops", {})).toEqual(["invalid_request", "the id ops is used twice"]);
    expect(await faultsOf("team-d", { weight: -1, colour: "red" })).toHaveLength(3);
    expect(await faultsOf("_", {})).toHaveLength(2);
    expect(await faultsOf("team-d", { limits: { burst: 5 } })).toEqual([
      ...["invalid_request", expect.stringContaining("submits a second is needed")],
    ]);
    // Like nothing that is there: it may come later.
    await one.ops(200, "PUT", "tenants/team-d", { allow_models: ["no-such-model"] });
  });

  it("have no budget in a currency that nothing they may use has a price in", async () => {
    const budget = (currency: string) => ({ budget: { currency, per_day: "1" } });
    const { faults } = await one.ops(400, "PUT", "tenants/team-j", {
      ...budget("EUR"),
      deny_providers: ["xai"],
    });
    expect(faults).toEqual([
      {
        path: "/budget/currency",
        message: "no model that the tenant may use has a price in EUR: prices are in USD",
      },
    ]);
    await one.ops(200, "PUT", "tenants/team-j", budget("USD"));
    // Of what there is not yet nobody knows the price.
    await one.ops(200, "PUT", "tenants/team-k", { ...budget("EUR"), allow_models: ["later-*"] });
    await one.ops(200, "PUT", "tenants/team-k", { ...budget("EUR"), weight: 2 });
  });

  it("hear at submit that the prices are in another currency than their budget", async () => {
    await one.ops(200, "PUT", "tenants/team-k", {
      ...{ key_sha256: [sha256Hex("team-k")], budget: { currency: "EUR", per_day: "1" } },
    });
    const body = { model: "openai-one-model", messages: [{ role: "user", content: "Hi" }] };
    const { status, json } = await one.call("POST", "/api/jobs", { key: "team-k", body: { body } });
    expect([status, json.code, json.detail]).toEqual([
      ...[403, "model_not_allowed"],
      "team-k may not use openai-one-model: openai-one (price in USD, budget in EUR).",
    ]);
  });

  it("are for operators alone", async () => {
    for (const path of ["tenants", "tenants/team-a", "tenants/team-a/keys"])
      expect((await one.call("GET", `/api/ops/${path}`, { key: "team-a" })).status).toBe(403);
  });
});

describe("keys", () => {
  it("are shown once, work on every instance, and are refused once they are revoked", async () => {
    const made = await one.ops(201, "POST", "tenants/team-a/keys", { name: "ci" });
    expect(made).toMatchObject({ name: "ci", expires_at: null, last_used_at: null, source: "store" });
    expect([made.key.startsWith(made.prefix), /^key_[0-9a-f]{24}$/.test(made.id)]).toEqual([true, true]);
    world.clock.advance(FRESH_MS + 1);
    expect([await mayUse(one, made.key), await mayUse(two, made.key)]).toEqual([200, 200]);
    const usedAt = Math.floor(world.clock.now() / 1000);
    const { data } = await two.ops(200, "GET", "tenants/team-a/keys");
    expect(data).toEqual([{ ...made, last_used_at: usedAt, key: undefined }]);
    await two.ops(204, "DELETE", `tenants/team-a/keys/${made.id}`);
    world.clock.advance(FRESH_MS + 1);
    expect([await mayUse(one, made.key), await mayUse(two, made.key)]).toEqual([401, 401]);
    expect((await one.ops(404, "DELETE", `tenants/team-a/keys/${made.id}`)).code).toBe("key_not_found");
    // The file's own key was never touched.
    expect(await mayUse(one, "team-a")).toBe(200);
    const events = (await one.ops(200, "GET", "audit?limit=2")).data;
    expect(events.map((each: { event: string }) => each.event)).toEqual(["key_revoked", "key_made"]);
    expect(JSON.stringify(events)).not.toContain(made.key);
  });

  it("are written to the store as hashes alone, and their use at most once an hour", async () => {
    const made = await one.ops(201, "POST", "tenants/team-b/keys", {});
    world.clock.advance(FRESH_MS + 1);
    const writes: string[] = [];
    const { keyUses } = world.ports;
    const lastUsed = async () => {
      await Promise.all([mayUse(one, made.key), mayUse(two, made.key)]);
      const use = await keyUses.read(made.id);
      writes.push(use?.etag ?? "");
    };
    await lastUsed();
    world.clock.advance(1_800_000);
    await lastUsed();
    world.clock.advance(1_800_000);
    await lastUsed();
    expect([writes[0] === writes[1], writes[1] === writes[2]]).toEqual([true, false]);
    const { resources } = await world.control.items.query("SELECT * FROM c").fetchAll();
    expect(JSON.stringify(resources)).not.toContain(made.key);
  });

  it("change neither who set the tenant, nor why", async () => {
    const told = async () => {
      const { since, actor, reason } = await one.ops(200, "GET", "tenants/team-l");
      return { since, actor, reason };
    };
    await one.ops(200, "PUT", "tenants/team-l", { reason: "first tenant" });
    const before = await told();
    expect(before).toMatchObject({ reason: "first tenant", actor: expect.stringMatching(/^ops/) });
    world.clock.advance(60_000);
    const made = await one.ops(201, "POST", "tenants/team-l/keys", { reason: "a laptop" });
    expect(await told()).toEqual(before);
    await one.ops(204, "DELETE", `tenants/team-l/keys/${made.id}`);
    expect(await told()).toEqual(before);
    await one.ops(200, "PUT", "tenants/team-l", { weight: 2, reason: "grown" });
    expect(await told()).toMatchObject({ since: before.since + 60, reason: "grown" });
  });

  it("expire", async () => {
    const now = Math.ceil(world.clock.now() / 1000);
    const made = await one.ops(201, "POST", "tenants/team-a/keys", { expires_at: now + 60 });
    expect(await mayUse(one, made.key)).toBe(200);
    world.clock.advance(61_000);
    expect(await mayUse(one, made.key)).toBe(401);
    expect((await one.ops(400, "POST", "tenants/team-a/keys", { expires_at: now })).faults).toHaveLength(1);
  });

  it("asked for twice by one Idempotency-Key are made once", async () => {
    const ask = () =>
      one.call("POST", "/api/ops/tenants/team-a/keys", { body: {}, headers: { "idempotency-key": "k1" } });
    const [first, second] = [await ask(), await ask()];
    expect([first.json.id, second.json.key]).toEqual([second.json.id, null]);
    expect(await mayUse(one, first.json.key)).toBe(200);
  });

  it("go with a tenant that only the store has, and do not come back with its name", async () => {
    await one.ops(200, "PUT", "tenants/team-e", {});
    const made = await one.ops(201, "POST", "tenants/team-e/keys", {});
    expect(await mayUse(one, made.key)).toBe(200);
    await one.ops(204, "DELETE", "tenants/team-e");
    expect(await mayUse(one, made.key)).toBe(401);
    await one.ops(200, "PUT", "tenants/team-e", {});
    expect(await mayUse(one, made.key)).toBe(401);
    expect((await one.ops(404, "POST", "tenants/nobody/keys", {})).code).toBe("tenant_not_found");
  });
});

it("a key that only the store knows is no key while the store is away, and operators come in", async () => {
  const made = await one.ops(201, "POST", "tenants/team-a/keys", {});
  const away = () => Promise.reject(new StoreUnavailable("away"));
  const late = new Operated(world, "late", { overrides: { readOverrides: away, readTenants: away } });
  expect((await late.call("GET", "/api/ops/tenants")).status).toBe(200);
  expect((await late.call("GET", "/api/models", { key: made.key })).status).toBe(503);
});
