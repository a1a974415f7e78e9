import type { Container, QueryMetrics } from "@azure/cosmos";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorld, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
const documents = [
  {
    id: "1",
    t: "a",
    j: "1",
    kind: "fruit",
    name: "Apple",
    n: 3,
    tags: ["red", "round"],
    at: { x: 1 },
    ok: true,
  },
  { id: "2", t: "a", j: "2", kind: "fruit", name: "banana", n: 1.5, tags: ["long"], at: { x: 2 }, ok: false },
  { id: "3", t: "a", j: "3", kind: "tree", name: "Cedar", n: -2, tags: [], nothing: null },
  {
    id: "4",
    t: "b",
    j: "1",
    kind: "tree",
    name: "elm 100%",
    n: "3",
    lines: [
      { sku: "p", qty: 2 },
      { sku: "q", qty: 5 },
    ],
  },
  { id: "5", t: "b", j: "2", kind: "stone", n: 3 },
];
beforeAll(async () => {
  world = await openWorld();
  items = await world.container(["/t", "/j"], {
    indexingPolicy: {
      includedPaths: [{ path: "/*" }, { path: "/n/?" }, { path: "/kind/?" }],
      compositeIndexes: [
        [
          { path: "/kind", order: "ascending" },
          { path: "/n", order: "descending" },
        ],
      ],
    },
  });
  for (const each of documents) await items.items.create(each);
});
afterAll(() => world.close());

const run = async (query: string, parameters: Record<string, unknown> = {}, options: object = {}) => {
  const all = Object.entries(parameters).map(([name, value]) => ({
    name: `@${name}`,
    value: value as never,
  }));
  return (await items.items.query({ query, parameters: all }, options).fetchAll()).resources as unknown[];
};
const ids = async (where: string, parameters: Record<string, unknown> = {}) =>
  (await run(`SELECT VALUE c.id FROM c WHERE ${where}`, parameters)).sort().join("");

describe("queries", () => {
  it.each([
    ["c.n = 3", "15"],
    ["c.n = '3'", "4"],
    ["c.n > 1", "125"],
    ["c.n >= -2 AND c.n <= 1.5", "23"],
    ["c.n != 3", "234"],
    ["NOT (c.n = 3)", "234"],
    ["c.ok", "1"],
    ["NOT c.ok", "2"],
    ["c.missing = 1 OR c.n = 3", "15"],
    ["c.nothing = null", "3"],
    ["IS_DEFINED(c.nothing)", "3"],
    ["IS_NULL(c.nothing)", "3"],
    ["c.at.x = 2", "2"],
    ["c['at']['x'] = 1", "1"],
    ["c.tags[0] = 'red'", "1"],
    ["c.kind IN ('tree', 'stone')", "345"],
    ["c.kind NOT IN ('tree', 'stone')", "12"],
    ["c.n BETWEEN 0 AND 3", "125"],
    ["c.name LIKE 'A%'", "1"],
    ["c.name LIKE '%!%' ESCAPE '!'", "4"],
    ["c.name LIKE '_edar'", "3"],
    ["CONTAINS(c.name, 'A', true)", "123"],
    ["STARTSWITH(c.name, 'b')", "2"],
    ["ENDSWITH(c.name, 'r')", "3"],
    ["STRINGEQUALS(c.name, 'APPLE', true)", "1"],
    ["RegexMatch(c.name, '^[a-z]')", "24"],
    ["ARRAY_CONTAINS(c.tags, 'round')", "1"],
    ["ARRAY_CONTAINS(c.lines, {sku: 'p'}, true)", "4"],
    ["ARRAY_LENGTH(c.tags) = 0", "3"],
    ["EXISTS(SELECT VALUE l FROM l IN c.lines WHERE l.qty > 4)", "4"],
    ["LENGTH(c.name) = 5", "13"],
    ["LOWER(c.name) = 'apple'", "1"],
    ["IS_STRING(c.n)", "4"],
    ["(c.name ?? 'none') = 'none'", "5"],
    ["(c.n > 2 ? 'big' : 'small') = 'big'", "15"],
    ["IIF(c.n > 2, 1, 2) = 1", "15"],
    ["c.n + 1 = 4", "15"],
    ["ABS(c.n) = 2", "3"],
    ["c.kind || '!' = 'stone!'", "5"],
  ])("WHERE %s", async (where, expected) => {
    expect(await ids(where)).toBe(expected);
  });

  it("take parameters, of any type", async () => {
    expect(await ids("c.n = @n AND c.kind = @kind", { n: 3, kind: "fruit" })).toBe("1");
    expect(await ids("ARRAY_CONTAINS(@kinds, c.kind)", { kinds: ["stone"] })).toBe("5");
    expect(await ids("c.at = @at", { at: { x: 1 } })).toBe("1");
  });

  it("select what is asked for", async () => {
    expect(await run("SELECT c.id, c.at.x, c.n * 2 AS twice, c.missing FROM c WHERE c.id = '2'")).toEqual([
      { id: "2", x: 2, twice: 3 },
    ]);
    expect(
      await run(
        "SELECT VALUE {name: c.name, tags: ARRAY(SELECT VALUE t FROM t IN c.tags)} FROM c WHERE c.id = '1'",
      ),
    ).toEqual([{ name: "Apple", tags: ["red", "round"] }]);
    expect(await run("SELECT c.id, l.sku FROM c JOIN l IN c.lines")).toEqual([
      { id: "4", sku: "p" },
      { id: "4", sku: "q" },
    ]);
    expect(await run("SELECT DISTINCT VALUE c.kind FROM c")).toEqual(
      expect.arrayContaining(["fruit", "tree", "stone"]),
    );
    expect(await run("SELECT DISTINCT VALUE c.kind FROM c")).toHaveLength(3);
  });

  it("order by one field across types, and by several with a composite index only", async () => {
    expect(await run("SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.n) ORDER BY c.n")).toEqual(
      expect.arrayContaining(["3", "2"]),
    );
    expect((await run("SELECT VALUE c.id FROM c ORDER BY c.n")).join("")).toMatch(/^32(15|51)4$/);
    expect(await run("SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n DESC")).toEqual(["3", 3]);
    const several = await run(
      "SELECT VALUE c.id FROM c WHERE c.kind IN ('fruit', 'stone') ORDER BY c.kind ASC, c.n DESC",
    );
    expect(several).toEqual(["1", "2", "5"]);
    expect(
      await statusOf(items.items.query("SELECT * FROM c ORDER BY c.kind, c.n").fetchAll() as never),
    ).toBe(400);
  });

  it("page by OFFSET and LIMIT, and by continuation tokens", async () => {
    expect(await run("SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 1 LIMIT 2")).toEqual(["2", "3"]);
    const found: unknown[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await items.items
        .query("SELECT VALUE c.id FROM c ORDER BY c.id", {
          maxItemCount: 2,
          partitionKey: ["a"],
          ...(continuationToken ? { continuationToken } : {}),
        })
        .fetchNext();
      found.push(...page.resources);
      continuationToken = page.continuationToken;
    } while (continuationToken);
    expect(found).toEqual(["1", "2", "3"]);
  });

  it("aggregate, and group", async () => {
    expect(await run("SELECT VALUE COUNT(1) FROM c")).toEqual([5]);
    expect(await run("SELECT VALUE SUM(c.n) FROM c WHERE IS_NUMBER(c.n)")).toEqual([5.5]);
    expect(
      await run("SELECT MIN(c.n) AS least, MAX(c.n) AS most, AVG(c.n) AS mean FROM c WHERE c.kind = 'fruit'"),
    ).toEqual([{ least: 1.5, most: 3, mean: 2.25 }]);
    const grouped = await run("SELECT c.kind, COUNT(1) AS count FROM c GROUP BY c.kind");
    expect(grouped).toEqual(
      expect.arrayContaining([
        { kind: "fruit", count: 2 },
        { kind: "tree", count: 2 },
        { kind: "stone", count: 1 },
      ]),
    );
  });

  it("see one partition, those of a prefix, or all", async () => {
    const count = async (partitionKey?: string[]) =>
      (await run("SELECT VALUE COUNT(1) FROM c", {}, partitionKey === undefined ? {} : { partitionKey }))[0];
    expect([
      await count(["a", "1"]),
      await count(["a"]),
      await count(["b"]),
      await count(["c"]),
      await count(),
    ]).toEqual([1, 3, 2, 0, 5]);
  });

  it("of aggregates alone pass over an order; groups with one are refused", async () => {
    expect(await run("SELECT VALUE COUNT(1) FROM c ORDER BY c.n")).toEqual([5]);
    expect(await run("SELECT MAX(c.id) AS most FROM c ORDER BY c.n, c.id")).toEqual([{ most: "5" }]);
    await expect(run("SELECT c.kind FROM c GROUP BY c.kind ORDER BY c.kind")).rejects.toThrow(
      "ORDER BY with GROUP",
    );
  });

  it("say what they looked at when asked", async () => {
    const query = items.items.query("SELECT * FROM c WHERE c.ok = true", { populateQueryMetrics: true });
    const { queryMetrics } = (await query.fetchNext()) as unknown as {
      queryMetrics: Record<string, QueryMetrics>;
    };
    expect(queryMetrics["0"]).toMatchObject({ retrievedDocumentCount: 5, outputDocumentCount: 1 });
  });

  it.each([
    ["c.kind = 'stone' OR c.n < 0", 2, "35"],
    ["c.kind = 'stone' OR c.n < 0 OR 1.5 = c.n", 3, "235"],
    ["(c.kind = 'tree' AND c.ok = false) OR c.n = 1.5", 3, "2"],
    ["c.kind = 'stone' OR c.ok = true", 5, "15"],
    ["c.kind = 'fruit' AND (c.n = 3 OR c.ok = false)", 2, "12"],
  ])("look at what an index says of either side: %s", async (where, looked, found) => {
    const query = items.items.query<{ id: string }>(`SELECT * FROM c WHERE ${where}`, {
      populateQueryMetrics: true,
    });
    const { queryMetrics, resources } = (await query.fetchNext()) as unknown as {
      queryMetrics: Record<string, QueryMetrics>;
      resources: { id: string }[];
    };
    expect(queryMetrics["0"]?.retrievedDocumentCount).toBe(looked);
    expect(
      resources
        .map(({ id }) => id)
        .sort()
        .join(""),
    ).toBe(found);
  });

  it.each([
    "SELECT * FROM c WHERE SOUNDEX(c.name) = 1",
    "SELECT * FROM c WHERE",
    "SELECT c. FROM c",
    "SELECT * FROM c WHERE d.id = '1'",
    "SELECT * FROM c WHERE c.n = @unset",
    "SELECT * FROM c WHERE c.name = 'open",
    "DELETE FROM c",
  ])("refuse by name what they cannot serve: %s", async (query) => {
    await expect(items.items.query(query).fetchAll()).rejects.toMatchObject({ code: 400 });
  });
});

describe("the change feed", () => {
  it("gives the latest version of each item, from the start, from now and after a continuation", async () => {
    const feed = await world.container(["/t"]);
    await feed.items.create({ id: "x", t: "a", n: 1 });
    await feed.items.create({ id: "y", t: "a", n: 1 });
    await feed.items.upsert({ id: "x", t: "a", n: 2 });
    const fromStart = feed.items.changeFeed("a", { startFromBeginning: true });
    const first = await fromStart.fetchNext();
    expect(first.result.map((each: { id: string; n: number }) => [each.id, each.n])).toEqual([
      ["y", 1],
      ["x", 2],
    ]);
    await feed.items.upsert({ id: "y", t: "a", n: 3 });
    const next = await feed.items.changeFeed("a", { continuation: first.continuation }).fetchNext();
    expect(next.result.map((each: { id: string; n: number }) => [each.id, each.n])).toEqual([["y", 3]]);
    const none = await feed.items.changeFeed("a", { continuation: next.continuation }).fetchNext();
    expect(none.result ?? []).toEqual([]);
  });
});
