import type { Container } from "@azure/cosmos";
import { beforeAll, describe, expect, it } from "vitest";
import { openWorld, type World } from "./world.ts";

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
  items = await world.container(["/pk"], {
    indexingPolicy: {
      includedPaths: [{ path: "/*" }, { path: "/maybe/?" }],
      excludedPaths: [{ path: "/hidden/*" }],
      compositeIndexes: [
        [
          { path: "/name", order: "ascending" },
          { path: "/grade", order: "descending" },
        ],
      ],
    },
  });
  const documents = [
    {
      ...{ id: "1", pk: "f", name: "Andersen", grade: 5, maybe: 1, hidden: { x: 1 }, nothing: null },
      address: { city: "Seattle" },
      tags: ["a", "b"],
      children: [{ grade: 5, pets: [{ name: "Fluffy" }] }],
    },
    {
      ...{ id: "2", pk: "f", name: "Wakefield", grade: 8, sometimes: 1 },
      address: { city: "NY" },
      tags: ["b", "c"],
      children: [{ grade: 1, pets: [{ name: "Goofy" }, { name: "Shadow" }] }, { grade: 8 }],
    },
    { id: "3", pk: "g", name: "Wakefield", grade: 9 },
  ];
  for (const each of documents) await items.items.create(each);
  return () => world.close();
});

const run = async (query: string) => (await items.items.query(query).fetchAll()).resources as unknown[];

describe("FROM and JOIN", () => {
  it.each<[string, unknown[]]>([
    ["SELECT 1 AS one", [{ one: 1 }]],
    ["SELECT VALUE root.id FROM root WHERE root.id = '3'", ["3"]],
    ["SELECT VALUE f.id FROM Families f WHERE f.id = '3'", ["3"]],
    ["SELECT * FROM c.address", [{ city: "Seattle" }, { city: "NY" }]],
    ["SELECT VALUE a.city FROM c.address AS a", ["Seattle", "NY"]],
    ["SELECT VALUE x.grade FROM x IN c.children", [5, 1, 8]],
    ["SELECT VALUE p.name FROM f JOIN ch IN f.children JOIN p IN ch.pets", ["Fluffy", "Goofy", "Shadow"]],
    ["SELECT VALUE t FROM f JOIN (SELECT VALUE t FROM t IN f.tags WHERE t != 'b') AS t", ["a", "c"]],
    ["SELECT VALUE t FROM f JOIN t IN (SELECT VALUE t FROM t IN f.tags WHERE t = 'b')", ["b", "b"]],
    ["SELECT VALUE k FROM f JOIN (SELECT VALUE COUNT(1) FROM t IN f.tags) AS k", [2, 2, 0]],
    ["SELECT VALUE COUNT(1) FROM (SELECT DISTINCT c.name FROM c)", [2]],
    ["SELECT VALUE d.n FROM (SELECT c.name AS n FROM c WHERE c.grade > 5) AS d", ["Wakefield", "Wakefield"]],
    ["SELECT (SELECT VALUE COUNT(1) FROM t IN c.tags) AS k FROM c", [{ k: 2 }, { k: 2 }, { k: 0 }]],
    ["SELECT VALUE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'a') FROM c", [true, false, false]],
    [
      "SELECT c.id, c.grade + 1, UPPER(c.name) FROM c WHERE c.id = '3'",
      [{ id: "3", $1: 10, $2: "WAKEFIELD" }],
    ],
  ])("%s", async (query, expected) => expect(await run(query)).toEqual(expected));
});

describe("aggregates", () => {
  it.each<[string, unknown[]]>([
    ["SELECT COUNT(1) FROM c", [{ $1: 3 }]],
    ["SELECT VALUE COUNT(c.nothing) FROM c", [1]],
    ["SELECT VALUE COUNT(c.absent) FROM c", [0]],
    ["SELECT VALUE SUM(c.grade) / COUNT(1) FROM c WHERE c.pk = 'f'", [6.5]],
    ["SELECT VALUE AVG(c.name) FROM c", []],
    ["SELECT VALUE MAX(c.absent) FROM c", []],
    ["SELECT MIN(c.grade) AS least FROM c WHERE c.id = 'none'", [{}]],
    [
      "SELECT c.name, MAX(c.grade) AS most FROM c GROUP BY c.name",
      [
        { name: "Andersen", most: 5 },
        { name: "Wakefield", most: 9 },
      ],
    ],
    [
      "SELECT VALUE {n: LOWER(c.name), k: COUNT(1)} FROM c GROUP BY LOWER(c.name)",
      [
        { n: "andersen", k: 1 },
        { n: "wakefield", k: 2 },
      ],
    ],
    ["SELECT VALUE COUNT(1) FROM c GROUP BY c.name", [1, 2]],
    [
      "SELECT c.address, COUNT(1) AS k FROM c GROUP BY c.address",
      [{ address: { city: "Seattle" }, k: 1 }, { address: { city: "NY" }, k: 1 }, { k: 1 }],
    ],
    ["SELECT DISTINCT VALUE c.name FROM c ORDER BY c.name DESC", ["Wakefield", "Andersen"]],
    ["SELECT DISTINCT c.absent FROM c", [{}]],
  ])("%s", async (query, expected) => expect(await run(query)).toEqual(expected));
});

describe("ORDER BY", () => {
  it("leaves out items without the property, unless the policy names its path", async () => {
    expect(await run("SELECT VALUE c.id FROM c ORDER BY c.sometimes")).toEqual(["2"]);
    expect(await run("SELECT VALUE c.id FROM c ORDER BY c.maybe")).toEqual(["2", "3", "1"]);
    expect(await run("SELECT VALUE c.id FROM c ORDER BY c.name, c.grade DESC")).toEqual(["1", "3", "2"]);
  });

  it("without it, items come as they were created, however they were changed", async () => {
    const other = await world.container(["/pk"]);
    for (const id of ["c", "a", "b"]) await other.items.create({ id, pk: "p" });
    await other.items.upsert({ id: "c", pk: "p", changed: true });
    const ids = async (partitionKey?: string) =>
      (await other.items.query("SELECT VALUE c.id FROM c", partitionKey ? { partitionKey } : {}).fetchAll())
        .resources;
    expect([await ids(), await ids("p")]).toEqual([
      ["c", "a", "b"],
      ["c", "a", "b"],
    ]);
  });
});

describe("functions", () => {
  it.each<[string, unknown]>([
    ["1 + 2 * 3", 7],
    ["-8 >> 1", -4],
    ["1 << 3 | 1", 9],
    ["8 >>> 1", 4],
    ["'a' || 'b' || 'c'", "abc"],
    ["c.absent ?? 'd'", "d"],
    ["c.nothing ?? 'd'", null],
    ["[1, {a: 2}] = [1, {a: 2}]", true],
    ["1 < '1'", undefined],
    ["undefined = undefined", undefined],
    ["'\\u0041\\'s'", "A's"],
    ["TRIM('xax', 'x')", "a"],
    ["LTRIM(' a ')", "a "],
    ["REPLACE('a$a', '$', '$&')", "a$&a"],
    ["STRINGSPLIT('a-b', '-')", ["a", "b"]],
    ["STRINGJOIN(['a', 'b'], '-')", "a-b"],
    ["SUBSTRING('abcdef', 1, 3)", "bcd"],
    ["RegexMatch('abcd', ' ^ A B ', 'ix')", true],
    ["CONTAINS_ANY_CI('abc', 'X', 'B')", true],
    ["CONTAINS_ALL_CS('abc', 'a', 'B')", false],
    ["StringToNumber('1.5')", 1.5],
    ["StringToObject('not')", undefined],
    ["ToString({a: [1, 'x']})", '{"a":[1,"x"]}'],
    ["CONCAT('a', 1)", undefined],
    ["ARRAY_CONTAINS([{a: 1, b: 2}], {a: 1}, true)", true],
    ["ARRAY_CONTAINS_ANY([1, 2], 3, 2)", true],
    ["ARRAY_CONTAINS_ALL([1, 2], 1, 3)", false],
    ["ARRAY_SLICE([1, 2, 3], -2, 1)", [2]],
    ["SetDifference([1, 2], [2])", [1]],
    ["SetEqual([1, 2], [2, 1])", true],
    ["CHOOSE(2, 'a', 'b')", "b"],
    ["ObjectToArray({a: 1})", [{ k: "a", v: 1 }]],
    ["ROUND(-2.5)", -3],
    ["INTDIV(7, 2)", 3],
    ["INTDIV(7, 0)", undefined],
    ["NumberBin(37, 10)", 30],
    ["DEGREES(PI())", 180],
    ["1 / 0", undefined],
    ["DateTimeAdd('mm', 1, '2020-01-31T00:00:00.0000001Z')", "2020-02-29T00:00:00.0000001Z"],
    ["DateTimeDiff('yyyy', '2018-12-31T23:59:59.0000000Z', '2019-01-01T00:00:00.0000000Z')", 1],
    ["DateTimePart('ms', '2020-01-02T03:04:05.6789123Z')", 678],
    ["DateTimeBin('2021-01-08T18:35:00.0000000Z', 'hh', 5)", "2021-01-08T15:00:00.0000000Z"],
    [
      "DateTimeBin('2021-01-08T18:35:00.0000000Z', 'dd', 7, '1601-01-01T00:00:00.0000000Z')",
      "2021-01-04T00:00:00.0000000Z",
    ],
    ["DateTimeFromParts(2017, 4, 20, 13, 15, 20, 3456789)", "2017-04-20T13:15:20.3456789Z"],
    ["DateTimeFromParts(2017, 2, 30)", undefined],
    ["DateTimeToTimestamp('2020-07-09T00:00:00Z')", 1_594_252_800_000],
    ["TimestampToDateTime(1594227912345)", "2020-07-08T17:05:12.3450000Z"],
    ["TicksToDateTime(15943607943450000)", "2020-07-10T05:59:54.3450000Z"],
  ])("%s", async (expression, expected) => {
    const rows = await run(`SELECT VALUE ${expression} FROM c WHERE c.id = '1'`);
    expect(rows).toEqual(expected === undefined ? [] : [expected]);
  });

  it("know the emulator's time", async () => {
    const now = world.clock.now();
    expect(await run("SELECT VALUE GetCurrentTimestamp()")).toEqual([now]);
    expect(await run("SELECT VALUE GetCurrentDateTime()")).toEqual([
      new Date(now).toISOString().replace("Z", "0000Z"),
    ]);
  });
});

describe("what is not served, or not valid, is refused by name", () => {
  it.each<[string, string]>([
    ["SELECT * FROM c WHERE udf.f(c.id)", "udf"],
    ["SELECT * FROM c WHERE ST_DISTANCE(c.a, c.b) < 1", "ST_DISTANCE"],
    ["SELECT VectorDistance(c.a, [1]) FROM c", "VECTORDISTANCE"],
    ["SELECT * FROM c WHERE FullTextContains(c.name, 'x')", "FULLTEXTCONTAINS"],
    ["SELECT * FROM c ORDER BY RANK RRF(FullTextScore(c.name, 'x'), 1)", "Full-text search"],
    ["SELECT TOP 3 * FROM c ORDER BY RANK FullTextScore(c.name, 'x')", "Full-text search"],
    ["SELECT COUNT(*) FROM c", "Syntax error"],
    ["SELECT COUNT(1, 2) FROM c", "COUNT"],
    ["SELECT * FROM c WHERE COUNT(1) > 1", "COUNT"],
    ["SELECT c.name, COUNT(1) AS k FROM c", "GROUP BY"],
    ["SELECT c.grade FROM c GROUP BY c.name", "GROUP BY"],
    ["SELECT COUNT(1) AS k FROM c GROUP BY c.name ORDER BY c.name", "ORDER BY"],
    ["SELECT * FROM c JOIN t IN c.tags", "JOIN"],
    ["SELECT VALUE 1 FROM c JOIN c IN c.tags", "'c'"],
    ["SELECT TOP 1 VALUE c.id FROM c OFFSET 1 LIMIT 1", "TOP"],
    ["SELECT TOP -1 * FROM c", "Syntax error"],
    ["SELECT TOP 1.5 * FROM c", "TOP"],
    ["SELECT VALUE c.id FROM c LIMIT 1", "LIMIT"],
    ["SELECT VALUE c.id FROM c OFFSET 1", "Syntax error"],
    ["SELECT c.id, c.address.id FROM c", "'id'"],
    ["SELECT VALUE c.id FROM c ORDER BY LOWER(c.name)", "ORDER BY"],
    ["SELECT VALUE c.id FROM c ORDER BY c.hidden.x", "excluded"],
    ["SELECT VALUE c.id FROM c ORDER BY c.name, c.grade", "composite index"],
    ["SELECT DISTINCT VALUE c.id FROM c ORDER BY c.name", "DISTINCT"],
    ["SELECT VALUE x FROM x IN c.tags ORDER BY x", "ORDER BY"],
    ["SELECT * FROM c WHERE RegexMatch(c.id, '[')", "RegexMatch"],
    ["SELECT * FROM c WHERE c.id IN ()", "Syntax error"],
    ["SELECT * FROM c; SELECT * FROM c", "Syntax error"],
    ["SELECT LOWER() FROM c", "LOWER"],
    [`SELECT VALUE ${"(".repeat(500)}1${")".repeat(500)}`, "nest"],
    [`SELECT VALUE ${"NOT ".repeat(500)}true`, "nest"],
  ])("%.60s", async (query, name) => {
    await expect(items.items.query(query).fetchAll()).rejects.toMatchObject({
      code: 400,
      body: { message: expect.stringContaining(name) },
    });
  });
});
