import { beforeAll, describe, expect, it } from "vitest";
import { RawClient } from "./signed-request.ts";
import { openWorld, statusOf, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
  return () => world.close();
});
const key = { paths: ["/pk"] };
const composite = (path: string, order = "ascending") => ({
  compositeIndexes: [
    [
      { path, order },
      { path: "/z", order: "ascending" },
    ],
  ],
});
const PLANE = { geospatialConfig: { type: "Geometry" } };
const BOX = { xmin: 0, ymin: 0, xmax: 10, ymax: 10 };
const spatial = (boundingBox: object | null) => ({
  spatialIndexes: [{ path: "/at/*", types: ["Point"], ...(boundingBox === null ? {} : { boundingBox }) }],
});

describe("throughput", () => {
  it("that is passed is 429 with the time to wait, until it is earned again", async () => {
    const { container } = await world.database.containers.create({
      id: "slow",
      partitionKey: key,
      throughput: 400,
    });
    const create = async (n: number) => statusOf(container.items.create({ id: `i${n}`, pk: "p" }));
    const statuses: unknown[] = [];
    for (let n = 0; n < 80 && statuses.at(-1) !== 429; n++) statuses.push(await create(n));
    expect(statuses.at(-1)).toBe(429);
    // 5.35 RU each of 400: the 75th overdraws, the 76th is refused.
    expect(statuses).toHaveLength(76);
    const refused = await container.items.create({ id: "no", pk: "p" }).catch((thrown) => thrown);
    expect(refused).toMatchObject({ code: 429, substatus: 3200 });
    expect(refused.retryAfterInMs).toBeGreaterThan(0);
    world.clock.advance(refused.retryAfterInMs);
    expect(await create(100)).toBe(201);
    // What is left over lets a read in, which overdraws.
    const read = () => statusOf(container.item("no", "p").read());
    expect([await read(), await read()]).toEqual([404, 429]);
  });

  it("is an offer that can be read and changed; a database's is shared", async () => {
    const { database } = await world.client.databases.create({ id: "shared", throughput: 400 });
    const { container } = await database.containers.create({ id: "c", partitionKey: key });
    expect((await container.readOffer()).resource).toBeUndefined();
    const { resource, offer } = await database.readOffer();
    expect(resource?.content?.offerThroughput).toBe(400);
    const more = { ...resource, content: { ...resource?.content, offerThroughput: 1_000 } };
    await offer?.replace(more as never);
    expect((await database.readOffer()).resource?.content?.offerThroughput).toBe(1_000);
    expect(
      await statusOf(offer?.replace({ ...more, content: { offerThroughput: 7 } } as never) as never),
    ).toBe(400);
    const statuses = new Set<unknown>();
    for (let n = 0; n < 180; n++)
      statuses.add(await statusOf(container.items.create({ id: `i${n}`, pk: "p" })));
    expect(statuses).toEqual(new Set([201, 429]));
  });

  it("is the service's least where none was asked for, and then not enforced", async () => {
    const items = await world.container(["/pk"]);
    const { resource, offer } = await items.readOffer();
    expect(resource?.content?.offerThroughput).toBe(400);
    expect(resource?.offerResourceId).toBe((await items.read()).resource?._rid);
    for (let n = 0; n < 80; n++)
      expect(await statusOf(items.items.create({ id: `${n}`, pk: "p" }))).toBe(201);
    await offer?.replace({ ...resource, content: { offerThroughput: 500 } } as never);
    expect((await items.readOffer()).resource?.content?.offerThroughput).toBe(500);
    const statuses: unknown[] = [];
    for (let n = 100; n < 200; n++)
      statuses.push(await statusOf(items.items.create({ id: `${n}`, pk: "p" })));
    expect(statuses).toContain(429);
    const { database } = await world.client.databases.create({ id: "without" });
    expect((await database.readOffer()).resource).toBeUndefined();
  });

  it("with autoscale has a most", async () => {
    const { container } = await world.database.containers.create({
      id: "auto",
      partitionKey: key,
      maxThroughput: 4_000,
    });
    expect((await container.readOffer()).resource?.content?.offerAutopilotSettings?.maxThroughput).toBe(
      4_000,
    );
  });
});

describe("unique keys", () => {
  it("hold within a partition key, however items are written", async () => {
    const items = await world.container(["/pk"], {
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/mail"] }, { paths: ["/a/b", "/c"] }] },
    });
    const item = (id: string, pk: string, mail: string, b: number) => ({ id, pk, mail, a: { b }, c: 1 });
    await items.items.create(item("1", "p", "x", 1));
    expect(await statusOf(items.items.create(item("2", "p", "x", 2)))).toBe(409);
    expect(await statusOf(items.items.create(item("2", "p", "y", 1)))).toBe(409);
    expect(await statusOf(items.items.create(item("2", "q", "x", 1)))).toBe(201);
    expect(await statusOf(items.items.create(item("3", "p", "y", 2)))).toBe(201);
    expect(await statusOf(items.item("3", "p").replace(item("3", "p", "x", 2)))).toBe(409);
    expect(await statusOf(items.item("3", "p").patch([{ op: "set", path: "/mail", value: "x" }]))).toBe(409);
    expect(await statusOf(items.item("3", "p").replace(item("3", "p", "y", 2)))).toBe(200);
    await items.item("1", "p").delete();
    expect(await statusOf(items.items.upsert(item("3", "p", "x", 1)))).toBe(200);
  });
});

describe("databases and containers", () => {
  it("are found by queries of their own", async () => {
    await world.client.databases.create({ id: "found" });
    const literal = await world.client.databases.query("SELECT * FROM d WHERE d.id = 'found'").fetchAll();
    expect(literal.resources.map((each) => each.id)).toEqual(["found"]);
    const query = {
      query: "SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, @p)",
      parameters: [{ name: "@p", value: "zz" }],
    };
    expect((await world.database.containers.query(query).fetchAll()).resources).toEqual([]);
  });

  it.each<[string, object]>([
    ["no key", { id: "x", partitionKey: { paths: [] } }],
    [
      "four components",
      { id: "x", partitionKey: { paths: ["/a", "/b", "/c", "/d"], kind: "MultiHash", version: 2 } },
    ],
    ["two of kind Hash", { id: "x", partitionKey: { paths: ["/a", "/b"], kind: "Hash" } }],
    ["a path without a slash", { id: "x", partitionKey: { paths: ["a"] } }],
    ["a space in a path", { id: "x", partitionKey: { paths: ["/id ds"] } }],
    ["a wildcard in a path", { id: "x", partitionKey: { paths: ["/a/*"] } }],
    ["a slash at a path's end", { id: "x", partitionKey: { paths: ["/a/"] } }],
    ["a value's mark in a path", { id: "x", partitionKey: { paths: ["/a/?"] } }],
    [
      "a unique key with a wildcard",
      { id: "x", partitionKey: key, uniqueKeyPolicy: { uniqueKeys: [{ paths: ["/a/*"] }] } },
    ],
    [
      "an unknown order of a composite index",
      { id: "x", partitionKey: key, indexingPolicy: composite("/a", "up") },
    ],
    ["a wildcard in a composite index", { id: "x", partitionKey: key, indexingPolicy: composite("/a/*") }],
    ["a bounding box on the globe", { id: "x", partitionKey: key, indexingPolicy: spatial(BOX) }],
    ["no bounding box on a plane", { id: "x", partitionKey: key, ...PLANE, indexingPolicy: spatial(null) }],
    [
      "a bounding box without a side",
      { id: "x", partitionKey: key, ...PLANE, indexingPolicy: spatial({ xmin: 0, ymin: 0, xmax: 1 }) },
    ],
    [
      "a bounding box turned over",
      { id: "x", partitionKey: key, ...PLANE, indexingPolicy: spatial({ ...BOX, xmin: 20 }) },
    ],
    [
      "an unknown geometry",
      { id: "x", partitionKey: key, geospatialConfig: { type: "Sphere" }, indexingPolicy: {} },
    ],
    ["a ttl of 0", { id: "x", partitionKey: key, defaultTtl: 0 }],
    [
      "all versions of its changes",
      { id: "x", partitionKey: key, changeFeedPolicy: { retentionDuration: 5 } },
    ],
    [
      "a vector index",
      { id: "x", partitionKey: key, indexingPolicy: { vectorIndexes: [{ path: "/v", type: "flat" }] } },
    ],
    ["vectors", { id: "x", partitionKey: key, vectorEmbeddingPolicy: { vectorEmbeddings: [] } }],
    [
      "an index policy without /*",
      { id: "x", partitionKey: key, indexingPolicy: { includedPaths: [{ path: "/a/?" }] } },
    ],
    [
      "an index that is not automatic",
      { id: "x", partitionKey: key, indexingPolicy: { indexingMode: "consistent", automatic: false } },
    ],
  ])("are refused with %s", async (_, definition) => {
    expect(await statusOf(world.database.containers.create(definition as never))).toBe(400);
  });

  it("are refused with a name that no path can hold", async () => {
    // The SDK itself lets none through.
    const raw = new RawClient(world.cosmos.port);
    for (const id of ["x#y", "x/y", "x?y", "x ", ""]) {
      const body = JSON.stringify({ id, partitionKey: key });
      const signed = { type: "colls", link: "dbs/test" };
      expect((await raw.send("POST", "/dbs/test/colls", signed, {}, body)).status).toBe(400);
    }
  });

  it("are made with what is valid of those", async () => {
    await world.container(['/a/"b c"/_d1'], { indexingPolicy: composite("/a", "descending") });
    await world.container(["/pk"], { ...PLANE, indexingPolicy: spatial(BOX) });
    await world.container(["/pk"], { indexingPolicy: spatial(null) });
  });

  it("a new index policy serves what is there already", async () => {
    const items = await world.container(["/pk"]);
    await items.items.create({ id: "1", pk: "p", a: "x", b: 1 });
    await items.items.create({ id: "2", pk: "q", a: "y", b: 2 });
    const { resource } = await items.read();
    const indexingPolicy = {
      indexingMode: "consistent",
      includedPaths: [{ path: "/*" }, { path: "/a/?" }],
      compositeIndexes: [
        [
          { path: "/a", order: "ascending" },
          { path: "/b", order: "descending" },
        ],
      ],
    };
    await items.replace({ ...resource, indexingPolicy } as never);
    const ids = async (query: string) => (await items.items.query(query).fetchAll()).resources;
    expect(await ids("SELECT VALUE c.id FROM c WHERE c.a = 'y'")).toEqual(["2"]);
    expect(await ids("SELECT VALUE c.id FROM c ORDER BY c.a DESC, c.b ASC")).toEqual(["2", "1"]);
    expect(await statusOf(items.items.create({ id: "3", pk: "p", a: "z" }))).toBe(201);
    expect(await statusOf(items.replace({ ...resource, partitionKey: { paths: ["/other"] } } as never))).toBe(
      400,
    );
  });

  it("scripts and users are refused by name", async () => {
    const items = await world.container(["/pk"]);
    const refusal = (call: Promise<unknown>) =>
      call.catch((thrown) => `${thrown.code} ${thrown.body?.message}`);
    expect(await refusal(items.scripts.storedProcedures.create({ id: "s", body: "x" }))).toMatch(
      /^400 Stored procedures/,
    );
    expect(await refusal(world.database.users.create({ id: "u" }))).toMatch(/^400 Users/);
  });

  it("show what their maker left out", async () => {
    const made = async (more: object = {}) => (await (await world.container(["/pk"], more)).read()).resource;
    expect(await made()).toMatchObject({
      geospatialConfig: { type: "Geography" },
      conflictResolutionPolicy: { mode: "LastWriterWins", conflictResolutionPath: "/_ts" },
      indexingPolicy: {
        ...{ indexingMode: "consistent", automatic: true },
        ...{ includedPaths: [{ path: "/*" }], excludedPaths: [{ path: '/"_etag"/?' }] },
      },
    });
    const excluded = [{ path: "/big/*" }];
    const some = await made({ indexingPolicy: { includedPaths: [{ path: "/" }], excludedPaths: excluded } });
    expect(some?.indexingPolicy?.excludedPaths).toEqual([...excluded, { path: '/"_etag"/?' }]);
    const none = await made({ indexingPolicy: { indexingMode: "none", automatic: false } });
    expect(none?.indexingPolicy).toMatchObject({ indexingMode: "none", includedPaths: [] });
  });

  it("may have any name, also one that no header can hold", async () => {
    const { database } = await world.client.databases.create({ id: "βήτα 中文" });
    const { container } = await database.containers.create({ id: "鱀", partitionKey: key });
    await container.items.create({ id: "1", pk: "p" });
    expect((await container.item("1", "p").read()).statusCode).toBe(200);
    expect((await container.items.readAll().fetchAll()).resources).toHaveLength(1);
  });

  it("say how full they are when asked", async () => {
    const items = await world.container(["/pk"]);
    await items.items.create({ id: "1", pk: "p" });
    const { headers } = await items.read({ populateQuotaInfo: true });
    expect(headers["x-ms-resource-quota"]).toContain("collectionSize=10485760;");
    expect(headers["x-ms-resource-usage"]).toContain("documentsCount=1;");
    expect(headers["x-ms-documentdb-collection-index-transformation-progress"]).toBe("100");
  });

  it("lose all items of one partition key at once", async () => {
    const items = await world.container(["/pk"]);
    let made = 0;
    for (const pk of ["p", "p", "q"]) await items.items.create({ id: `${++made}`, pk });
    await items.deleteAllItemsForPartitionKey("p");
    expect((await items.items.query("SELECT VALUE c.id FROM c").fetchAll()).resources).toEqual(["3"]);
  });
});
