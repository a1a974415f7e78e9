import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Container } from "@azure/cosmos";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { ContainerView } from "../../../local/cosmos/container-view.ts";
import { IndexPlan } from "../../../local/cosmos/index-plan.ts";
import { narrow } from "../../../local/cosmos/query/narrow.ts";
import { parseQuery } from "../../../local/cosmos/query/parser.ts";
import { startCosmos } from "../../../local/cosmos/server.ts";
import { clientOf, openWorld, statusOf, type World } from "./world.ts";

const descending = (...paths: string[]) =>
  paths.map((each) => ({ path: each, order: "descending" as const }));
const indexingPolicy = {
  includedPaths: ["/s/?", "/a/?", "/b/?"].map((each) => ({ path: each })),
  excludedPaths: [{ path: "/*" }],
  compositeIndexes: [descending("/a", "/b"), descending("/s", "/a", "/b")],
};

type Field = number | string | boolean | null | undefined;
interface Document {
  readonly id: string;
  readonly t: string;
  readonly j: string;
  readonly s?: Field;
  readonly a?: Field;
  readonly b?: Field;
}

const small = fc.integer({ min: 0, max: 3 });
/** As clean data has it, as items of several kinds have it, and as nobody should. */
const field = {
  clean: small,
  lacking: fc.option(small, { nil: undefined, freq: 2 }),
  mixed: fc.oneof(small, fc.constantFrom("0", "1", "2", true, false, null, undefined)),
};
const documents: Document[] = (["clean", "lacking", "mixed"] as const).flatMap((t) =>
  fc
    .sample(fc.record({ s: field[t], a: field[t], b: field[t] }), { numRuns: 60, seed: 1 })
    .map((fields, n) => ({ id: `${t}-${n}`, t, j: `j${n % 7}`, ...fields })),
);

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
  items = await world.container(["/t", "/j"], { indexingPolicy });
  for (const each of documents) await items.items.create(each as object);
});
afterAll(() => world.close());

const TYPES = ["undefined", "null", "boolean", "number", "string"];
const typeOf = (value: Field) => TYPES.indexOf(value === null ? "null" : typeof value);
function compare(x: Field, y: Field): number {
  if (typeOf(x) !== typeOf(y)) return typeOf(x) - typeOf(y);
  if (x === y || x === null || x === undefined || y === null || y === undefined) return 0;
  return x < y ? -1 : 1;
}

const HOLDS: Readonly<Record<string, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
};

/** `c.a <= 2 AND (c.s = 1 OR c.b > 0)`: every group has to hold, and of a group any part. */
const condition = fc.array(
  fc.array(
    fc.record({
      name: fc.constantFrom("s" as const, "a" as const, "b" as const),
      sign: fc.constantFrom("=", "<=", ">"),
      value: fc.oneof({ arbitrary: small, weight: 4 }, { arbitrary: fc.constantFrom("0", "1"), weight: 1 }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  { maxLength: 3 },
);
const asked = fc.record({
  t: fc.constantFrom("clean", "lacking", "mixed", "none"),
  condition,
  by: fc.constantFrom(["a", "b"] as const, ["s", "a", "b"] as const),
  isDescending: fc.boolean(),
  page: fc.integer({ min: 1, max: 70 }),
});

it("a composite index serves any filter of a tenant, page by page, as if all were sorted", {
  tags: ["long"],
}, async () => {
  await fc.assert(
    fc.asyncProperty(asked, async ({ t, condition: groups, by, isDescending, page }) => {
      const expected = documents
        .map((each, born) => ({ each, born }))
        .filter(({ each }) => each.t === t)
        .filter(({ each }) =>
          groups.every((group) =>
            group.some(
              ({ name, sign, value }) =>
                typeOf(each[name]) === typeOf(value) && HOLDS[sign]?.(compare(each[name], value)),
            ),
          ),
        )
        .sort((x, y) => {
          const first = by.map((name) => compare(x.each[name], y.each[name])).find((order) => order !== 0);
          return first === undefined ? x.born - y.born : isDescending ? -first : first;
        })
        .map(({ each }) => each.id);
      const where = groups
        .map((group) => group.map(({ name, sign, value }) => `c.${name} ${sign} ${JSON.stringify(value)}`))
        .map((group) => ` AND (${group.join(" OR ")})`)
        .join("");
      const order = by.map((name) => `c.${name} ${isDescending ? "DESC" : "ASC"}`).join(", ");
      const query = `SELECT VALUE c.id FROM c WHERE true${where} ORDER BY ${order}`;
      const found = await items.items.query(query, { partitionKey: [t], maxItemCount: page }).fetchAll();
      expect(found.resources).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

describe("a filter and an order", () => {
  const order = (query: string) => {
    const scope = { partition: { key: "t\u0001", whole: false }, range: undefined };
    const indexes = new IndexPlan(indexingPolicy);
    const view = { hasColumns: true, indexes, needSingle: () => undefined } as unknown as ContainerView;
    return narrow(parseQuery(query), scope, view, new Map()).order;
  };
  const sorted = (query: string) => {
    const found = order(query);
    return typeof found === "object" ? found.by : undefined;
  };

  it("are looked up together in the composite index that begins with the filter", () => {
    expect(
      sorted("SELECT * FROM c WHERE c.s = 'x' AND c.a <= 3 ORDER BY c.s DESC, c.a DESC, c.b DESC"),
    ).toEqual({
      name: "_order_x_s_desc_x_a_desc_x_b_desc",
      where: "(x_s = ? AND x_a <= ?)",
      needs: "x_s",
      isPartial: false,
    });
  });

  it("need the items without a value too, unless the filter rules them out", () => {
    const isPartial = (where: string) =>
      sorted(`SELECT * FROM c WHERE ${where} ORDER BY c.a DESC, c.b DESC`)?.isPartial;
    expect(isPartial("c.kind = 'job'")).toBe(true);
    expect(isPartial("c.s = 'x'")).toBe(true);
    expect(isPartial("c.s = 'x' OR c.a < 3")).toBe(true);
    expect(isPartial("c.a < 3 OR (c.a = 3 AND c.b < 4)")).toBe(false);
  });

  it("of items without a value before all others go by no index", () => {
    expect(order("SELECT * FROM c ORDER BY c.a ASC, c.b ASC")).toBe("born");
    expect(sorted("SELECT * FROM c WHERE c.a > 1 ORDER BY c.a ASC, c.b ASC")?.isPartial).toBe(false);
  });

  it("leave both sides of an OR to the filter, for their rows would come in no order", () => {
    expect(
      sorted("SELECT * FROM c WHERE c.a <= 2 AND (c.a < 2 OR c.b < 1) ORDER BY c.a DESC, c.b DESC")?.where,
    ).toBe("(x_a <= ? AND (+x_a < ? OR +x_b < ?))");
  });
});

describe("inside the first component of the key, without an order", () => {
  it("what is equal finds the items, then a range; inside a whole key they are few", () => {
    const made: unknown[] = [];
    const indexes = new IndexPlan(indexingPolicy);
    const needSingle = (...index: unknown[]) => void made.push(index);
    const view = { hasColumns: true, indexes, needSingle } as unknown as ContainerView;
    const selected = (where: string, whole = false) => {
      const scope = { partition: { key: "t\u0001", whole }, range: undefined };
      return narrow(parseQuery(`SELECT * FROM c WHERE ${where}`), scope, view, new Map());
    };
    expect(selected("c.a >= 1 AND c.s = 'x'")).toMatchObject({
      ...{ where: "(+x_a >= ? AND x_s = ?)", foundBy: "x_s" },
    });
    expect(selected("c.a >= 1 AND c.kind = 'job'")).toMatchObject({ where: "x_a >= ?", foundBy: "x_a" });
    expect(made).toEqual([
      ["x_s", "p1"],
      ["x_a", "p1"],
    ]);
    for (const none of [selected("c.s = 'x' OR c.a = 1"), selected("c.s = 'x'", true)])
      expect(none).not.toHaveProperty("foundBy");
    expect(made).toHaveLength(2);
  });

  it.each(["clean", "lacking", "mixed"])("they come as they were created: %s", async (t) => {
    const found = async (where: string) => {
      const query = { query: `SELECT c.id FROM c WHERE ${where}` };
      const { resources } = await items.items.query<{ id: string }>(query, { partitionKey: [t] }).fetchAll();
      return resources.map(({ id }) => id);
    };
    const ids = (is: (each: Document) => boolean) =>
      documents.filter((each) => each.t === t && is(each)).map(({ id }) => id);
    expect(await found("c.s = 1 AND c.a >= 1")).toEqual(
      ids(({ s, a }) => s === 1 && typeof a === "number" && a >= 1),
    );
    expect(await found("c.a > 1")).toEqual(ids(({ a }) => typeof a === "number" && a > 1));
  });
});

it("over all partitions searches the range, not the kind that most items are of", () => {
  const made: string[] = [];
  const view = { hasColumns: true, indexes: new IndexPlan(indexingPolicy) } as ContainerView;
  view.needSingle = (column) => void made.push(column);
  const scope = { partition: undefined, range: undefined };
  const selected = (where: string) => {
    made.length = 0;
    return narrow(parseQuery(`SELECT * FROM c WHERE ${where}`), scope, view, new Map());
  };
  expect(selected("(c.s = 'x' OR c.s = 'y') AND c.a >= 3")).toMatchObject({
    where: "((+x_s = ? OR +x_s = ?) AND x_a >= ?)",
    isSearched: true,
  });
  expect(made).toEqual(["x_a"]);
  expect(selected("c.s = 'x' AND c.a = 3")).toMatchObject({
    where: "(x_s = ? AND x_a = ?)",
    isSearched: false,
  });
  expect(made).toEqual(["x_s", "x_a"]);
  expect(selected("c.s = 'x' AND (c.a < 3 OR c.b < 3)")).toMatchObject({ isSearched: false });
});

it("a container of an older version has the indexes of today after a start, and its items", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-cosmos-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const start = async (composite: readonly (readonly { path: string; order: string }[])[]) => {
    const indexing = { included: ["/s/?", "/a/?", "/b/?"], excluded: ["/*"], composite };
    const container = { name: "c", partition_key: ["/t", "/j"], default_ttl_seconds: -1, indexing };
    const cosmos = await startCosmos({
      port: 0,
      databaseFile: path.join(folder, "cosmos.db"),
      resources: { database: "d", consistency: "Strong", containers: [container] },
    });
    const client = clientOf(cosmos.port);
    const close = async () => {
      client.dispose();
      await cosmos.close();
    };
    return { container: client.database("d").container("c"), close };
  };
  const query = "SELECT VALUE c.id FROM c WHERE c.s = 1 ORDER BY c.s DESC, c.a DESC, c.b DESC";
  const options = { partitionKey: ["t"] };
  const old = await start([descending("/a", "/b")]);
  for (const n of [1, 3, 2])
    await old.container.items.create({ id: `${n}`, t: "t", j: "j", s: n % 2, a: n, b: 0 });
  expect(await statusOf(old.container.items.query(query, options).fetchAll() as never)).toBe(400);
  await old.close();
  const fresh = await start([descending("/s", "/a", "/b"), descending("/a", "/b")]);
  expect((await fresh.container.items.query(query, options).fetchAll()).resources).toEqual(["3", "1"]);
  await fresh.close();
});
