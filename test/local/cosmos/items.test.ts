import type { Container } from "@azure/cosmos";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { clientOf, openWorld, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  items = await world.container(["/t", "/j"], { defaultTtl: -1 });
});

const item = (id: string, more: object = {}) => ({ id, t: "a", j: "1", ...more });

describe("items", () => {
  it("are created, read, replaced, upserted and deleted, each with a new etag", async () => {
    const created = await items.items.create<{ id: string; n: number }>(item("x", { n: 1 }) as never);
    expect([created.statusCode, created.resource?.n]).toEqual([201, 1]);
    expect(created.etag).toBe(created.resource?._etag);
    const of = items.item("x", ["a", "1"]);
    expect((await of.read()).resource).toMatchObject({ n: 1, _ts: Math.floor(world.clock.now() / 1000) });
    const replaced = await of.replace(item("x", { n: 2 }));
    expect([replaced.statusCode, replaced.etag === created.etag]).toEqual([200, false]);
    expect((await items.items.upsert(item("x", { n: 3 }))).statusCode).toBe(200);
    expect((await items.items.upsert(item("y"))).statusCode).toBe(201);
    expect((await of.delete()).statusCode).toBe(204);
    expect((await of.read()).statusCode).toBe(404);
  });

  it("conflict, are missing or do not match, as Azure says", async () => {
    const { etag } = await items.items.create(item("x"));
    const of = items.item("x", ["a", "1"]);
    expect(await statusOf(items.items.create(item("x")))).toBe(409);
    expect(await statusOf(items.item("z", ["a", "1"]).replace(item("z")))).toBe(404);
    expect(await statusOf(items.item("z", ["a", "1"]).delete())).toBe(404);
    const ifMatch = (condition: string) => ({ accessCondition: { type: "IfMatch", condition } });
    expect(await statusOf(of.replace(item("x"), ifMatch('"old"')))).toBe(412);
    expect(await statusOf(of.delete(ifMatch('"old"')))).toBe(412);
    expect(await statusOf(items.items.upsert(item("x"), ifMatch('"old"')))).toBe(412);
    expect(await statusOf(of.read({ accessCondition: { type: "IfNoneMatch", condition: etag } }))).toBe(304);
    expect(await statusOf(of.replace(item("x"), ifMatch(etag)))).toBe(200);
  });

  it("are the same only in the same partition", async () => {
    await items.items.create(item("x"));
    await items.items.create({ id: "x", t: "a", j: "2", n: 2 });
    expect((await items.item("x", ["a", "2"]).read()).resource?.n).toBe(2);
    expect(await statusOf(items.item("x", ["b", "1"]).read())).toBe(404);
    expect(await statusOf(items.items.create({ id: "x", t: "a", j: "1" }))).toBe(409);
  });

  it("are refused when they are too large or their id or ttl cannot be", async () => {
    expect(await statusOf(items.items.create(item("x", { text: "x".repeat(2_100_000) })))).toBe(413);
    for (const id of ["a/b", "a\\b", "a#b"]) await expect(items.items.create(item(id))).rejects.toThrow();
    expect(await statusOf(items.items.create(item("x".repeat(1_024))))).toBe(400);
    for (const ttl of [0, -2, 1.5]) expect(await statusOf(items.items.create(item("x", { ttl })))).toBe(400);
  });

  it.each(["a?b", "a b ", "  a", "a%20", "%E9%B1%80", "鱀", "a\rb\tc\nd", ",=.:~+-@()^$[]{}!_"])(
    "are found by the id %j",
    async (id) => {
      await items.items.create(item(id));
      const one = items.item(id, ["a", "1"]);
      expect((await one.read()).resource?.id).toBe(id);
      expect(await statusOf(one.replace(item(id, { n: 1 })))).toBe(200);
      expect(await statusOf(one.delete())).toBe(204);
      expect(await statusOf(one.read())).toBe(404);
    },
  );

  it("whose key is an object or an array are kept with those that have none", async () => {
    await items.items.create({ id: "o", t: "a", j: {} });
    await items.items.batch([{ operationType: "Create", resourceBody: { id: "l", t: "a", j: [1] } }], [
      "a",
      undefined,
    ] as never);
    expect((await items.item("l", ["a", undefined] as never).read()).resource?.j).toEqual([1]);
    const none = await items.items.query("SELECT VALUE c.id FROM c", { partitionKey: ["a", {}] as never });
    expect((await none.fetchAll()).resources).toEqual(["o", "l"]);
  });

  it.each([
    ["kept out of the index", { indexingDirective: "exclude" }, "indexing directive 'exclude' is not served"],
    ["written with a trigger", { preTriggerInclude: "t" }, "Triggers are not served"],
    ["written with one behind it", { postTriggerInclude: "t" }, "Triggers are not served"],
  ])("are not %s", async (_, options, words) => {
    await expect(items.items.create(item("x"), options as never)).rejects.toThrow(words);
    expect(await statusOf(items.item("x", ["a", "1"]).read())).toBe(404);
  });

  it("keep numbers, order and text of what was sent", async () => {
    const sent = item("x", { b: 1, a: [0.1, -1, 1e21], ü: "\u2028\ud83d\ude00\u0000" });
    await items.items.create(sent);
    expect((await items.item("x", ["a", "1"]).read()).resource).toMatchObject(sent);
  });

  it("are patched, under a condition or not at all", async () => {
    await items.items.create(item("x", { n: 1, list: [1, 2], deep: { a: 1 } }));
    const of = items.item("x", ["a", "1"]);
    const patched = await of.patch([
      { op: "incr", path: "/n", value: 2 },
      { op: "add", path: "/list/1", value: 9 },
      { op: "set", path: "/deep/b", value: 2 },
      { op: "remove", path: "/deep/a" },
      { op: "replace", path: "/list/0", value: 0 },
    ]);
    expect(patched.resource).toMatchObject({ n: 3, list: [0, 9, 2], deep: { b: 2 } });
    const when = (condition: string) =>
      of.patch({ condition, operations: [{ op: "set", path: "/n", value: 0 }] });
    expect(await statusOf(when("FROM c WHERE c.n > 5"))).toBe(412);
    expect(await statusOf(when("FROM c WHERE c.n = 3"))).toBe(200);
    expect(await statusOf(of.patch([{ op: "remove", path: "/nothing" }]))).toBe(400);
    expect(await statusOf(of.patch([{ op: "set", path: "/t", value: "b" }]))).toBe(400);
    for (const path of ["/_etag", "/_ts"])
      expect(await statusOf(of.patch([{ op: "set", path, value: 1 }]))).toBe(400);
    expect(await statusOf(of.patch([{ op: "move", from: "/_rid", path: "/r" } as never]))).toBe(400);
  });

  it("expire after their own ttl, or the container's", async () => {
    const short = await world.container(["/t", "/j"], { defaultTtl: 10 });
    await short.items.create(item("own", { ttl: 2 }));
    await short.items.create(item("default"));
    await short.items.create(item("never", { ttl: -1 }));
    const left = async () =>
      (await short.items.query("SELECT VALUE c.id FROM c").fetchAll()).resources.sort();
    world.clock.advance(3_000);
    expect(await left()).toEqual(["default", "never"]);
    expect((await short.item("own", ["a", "1"]).read()).statusCode).toBe(404);
    world.clock.advance(8_000);
    expect(await left()).toEqual(["never"]);
    expect((await short.items.create(item("own"))).statusCode).toBe(201);
  });

  it("are for whoever has the key", async () => {
    const other = clientOf(world.cosmos.port, Buffer.from("another key").toString("base64"));
    expect(await statusOf(other.database("test").read())).toBe(401);
    other.dispose();
    const bare = await fetch(`http://127.0.0.1:${world.cosmos.port}/dbs/test`);
    expect(bare.status).toBe(401);
  });

  it("cost request units by their size", async () => {
    const charge = async (call: Promise<{ requestCharge: number }>) => (await call).requestCharge;
    expect(await charge(items.items.create(item("small")))).toBe(5.55);
    expect(await charge(items.item("small", ["a", "1"]).read())).toBe(1);
    await items.items.create(item("large", { text: "x".repeat(110_000) }));
    expect(await charge(items.item("large", ["a", "1"]).read())).toBe(9.95);
  });
});

describe("databases and containers", () => {
  it("are made, found, replaced and deleted", async () => {
    const { database } = await world.client.databases.createIfNotExists({ id: "other" });
    expect(await statusOf(world.client.databases.create({ id: "other" }))).toBe(409);
    const { container } = await database.containers.createIfNotExists({
      id: "c",
      partitionKey: { paths: ["/p"] },
    });
    await database.containers.createIfNotExists({ id: "c", partitionKey: { paths: ["/p"] } });
    const { resource } = await container.read();
    expect(resource?.partitionKey?.paths).toEqual(["/p"]);
    await container.replace({ id: "c", partitionKey: { paths: ["/p"] }, defaultTtl: 5 });
    expect((await container.read()).resource?.defaultTtl).toBe(5);
    expect((await database.containers.readAll().fetchAll()).resources.map((c) => c.id)).toEqual(["c"]);
    await container.delete();
    expect(await statusOf(container.read())).toBe(404);
    expect(await statusOf(container.items.create({ id: "x" }))).toBe(404);
    await database.delete();
    expect(await statusOf(database.read())).toBe(404);
  });
});
