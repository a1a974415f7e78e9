import type { Container } from "@azure/cosmos";
import { beforeAll, describe, expect, it } from "vitest";
import { RawClient } from "./signed-request.ts";
import { openWorld, type World } from "./world.ts";

/** What Microsoft's .NET SDK asks of an account and of containers before it works with items, as it went over the wire. */
let world: World;
let items: Container;
let raw: RawClient;
let databaseRid: string;
let rid: string;
beforeAll(async () => {
  world = await openWorld();
  raw = new RawClient(world.cosmos.port);
  items = await world.container(["/pk"]);
  rid = (await items.read()).resource?._rid ?? "";
  databaseRid = (await world.database.read()).resource?._rid ?? "";
  for (const [n, pk] of ["a", "b", "a"].entries()) await items.items.create({ id: `i${n}`, pk, n });
  return () => world.close();
});

const ranges = (headers: Record<string, string> = {}, link = rid.toLowerCase()) =>
  raw.send("GET", `/dbs/${databaseRid}/colls/${rid}/pkranges`, { type: "pkranges", link }, headers);

describe("the account", () => {
  it("says what its query engine takes: the SDK ends where there is nothing", async () => {
    const { json } = await raw.send("GET", "/", { type: "", link: "" });
    const { queryEngineConfiguration } = json() as { queryEngineConfiguration: string };
    const said = JSON.parse(queryEngineConfiguration);
    expect(said).toMatchObject({
      maxSqlQueryInputLength: 262_144,
      sqlAllowTop: true,
      sqlAllowGroupByClause: true,
    });
  });
});

describe("a resource id", () => {
  it("of a container is told from a database's by a bit of its fifth byte", () => {
    expect(Buffer.from(rid, "base64")).toHaveLength(8);
    expect((Buffer.from(rid, "base64")[4] ?? 0) & 0x80).toBe(0x80);
    expect(Buffer.from(databaseRid, "base64")).toHaveLength(4);
  });

  it("stands for a name in a path, and is signed by itself, in lower case", async () => {
    const { status, json } = await ranges();
    expect([
      status,
      (json() as { PartitionKeyRanges: { id: string }[] }).PartitionKeyRanges.map(({ id }) => id),
    ]).toEqual([200, ["0"]]);
    expect((await ranges({}, `dbs/${databaseRid}/colls/${rid}`)).status).toBe(401);
    const link = rid.toLowerCase();
    const path = `/dbs/${databaseRid}/colls/${rid}`;
    expect((await raw.send("GET", path, { type: "colls", link })).json()).toMatchObject({ id: items.id });
    const feed = await raw.send("GET", `${path}/docs`, { type: "docs", link });
    expect(feed.json()).toMatchObject({ _count: 3 });
    const database = await raw.send("GET", `/dbs/${databaseRid}`, {
      type: "dbs",
      link: databaseRid.toLowerCase(),
    });
    expect(database.json()).toMatchObject({ id: "test" });
  });

  it("of nothing, or of an item, is answered as such", async () => {
    const strange = "AAAAAYAAAP8=";
    const path = `/dbs/${databaseRid}/colls/${strange}`;
    const signed = { type: "colls", link: path.slice(1) };
    expect((await raw.send("GET", path, signed)).status).toBe(404);
    const item = `/dbs/${databaseRid}/colls/${rid}/docs/${rid}`;
    const refused = await raw.send("GET", item, { type: "docs", link: rid.toLowerCase() });
    expect([refused.status, String(refused.bytes)]).toEqual([400, expect.stringContaining("resource id")]);
  });
});

describe("partition key ranges", () => {
  it("come once to a reader of their changes, who reads until there is nothing new", async () => {
    const feed = { "a-im": "Incremental Feed", "x-ms-max-item-count": "-1" };
    const first = await ranges(feed);
    const etag = first.headers.get("etag") ?? "";
    expect([first.status, etag]).toEqual([200, expect.stringMatching(/^".+"$/)]);
    const second = await ranges({ ...feed, "if-none-match": etag });
    expect([second.status, second.headers.get("etag"), second.bytes.length]).toEqual([304, etag, 0]);
    expect((await ranges()).status).toBe(200);
  });
});

describe("a container", () => {
  it("made without a version of its key's hashing has the newer, and says so", async () => {
    const link = "dbs/test";
    const body = JSON.stringify({ id: "plain", partitionKey: { paths: ["/pk"], kind: "Hash" } });
    const made = await raw.send("POST", `/${link}/colls`, { type: "colls", link }, {}, body);
    expect(made.json()).toMatchObject({ partitionKey: { paths: ["/pk"], kind: "Hash", version: 2 } });
  });
});

/** On Windows the SDK plans queries by itself, and sends what it makes of them. */
describe("a query that the SDK has rewritten", () => {
  it.each<[string, unknown[]]>([
    [
      'SELECT c._rid, [{"item": c.n}] AS orderByItems, {"id": c.id} AS payload FROM c WHERE (true) ORDER BY c.n DESC',
      [
        { n: 2, id: "i2" },
        { n: 1, id: "i1" },
        { n: 0, id: "i0" },
      ].map(({ n, id }) => ({
        ...{ _rid: expect.any(String), orderByItems: [{ item: n }] },
        payload: { id },
      })),
    ],
    ['SELECT VALUE [{"item": COUNT(1)}] FROM c', [[{ item: 3 }]]],
    [
      'SELECT VALUE [{"item": {"sum": SUM(c.n), "count": COUNT(c.n)}}] FROM c',
      [[{ item: { sum: 3, count: 3 } }]],
    ],
    [
      'SELECT VALUE [{"item": MIN(c.n), "item2": {"min": MIN(c.n), "count": COUNT(c.n)}}] FROM c',
      [[{ item: 0, item2: { min: 0, count: 3 } }]],
    ],
    [
      'SELECT [{"item": c.pk}] AS groupByItems, {"pk": c.pk, "k": {"item": COUNT(1)}} AS payload FROM c GROUP BY c.pk',
      [
        { groupByItems: [{ item: "a" }], payload: { pk: "a", k: { item: 2 } } },
        { groupByItems: [{ item: "b" }], payload: { pk: "b", k: { item: 1 } } },
      ],
    ],
    ["SELECT TOP 2 VALUE c.id FROM c WHERE (c.n > 0)", ["i1", "i2"]],
  ])("is served: %.70s", async (query, expected) => {
    expect((await raw.query(items.id, query)).json()).toMatchObject({ Documents: expected });
  });
});

it("direct mode is refused in words", async () => {
  const signed = { type: "docs", link: `dbs/test/colls/${items.id}` };
  const { status, bytes } = await raw.send("GET", "//addresses/?$resolveFor=dbs", signed);
  expect([status, String(bytes)]).toEqual([400, expect.stringContaining("direct mode")]);
});
