import type { Container } from "@azure/cosmos";
import { beforeAll, describe, expect, it } from "vitest";
import { effectiveKey } from "../../../local/cosmos/effective-key.ts";
import { RawClient } from "./signed-request.ts";
import { openWorld, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
let raw: RawClient;
beforeAll(async () => {
  world = await openWorld();
  raw = new RawClient(world.cosmos.port);
  items = await world.container(["/t", "/j"]);
  for (const t of ["a", "b", "c"])
    for (const j of ["1", "2", "3"]) await items.items.create({ id: "x", t, j, n: Number(j) });
  return () => world.close();
});

/** What the .NET SDK sends for the beginning of a hierarchical key. */
function prefix(...key: string[]): Record<string, string> {
  const from = effectiveKey(key);
  return {
    "x-ms-documentdb-partitionkeyrangeid": "0",
    "x-ms-read-key-type": "EffectivePartitionKeyRange",
    "x-ms-start-epk": from,
    "x-ms-end-epk": `${from}FF`,
  };
}

const found = (answer: { json: () => { Documents: { t: string; j: string }[] } }) =>
  answer.json().Documents.map(({ t, j }) => `${t}${j}`);

const feed = { "a-im": "Incremental Feed" };

describe("a part of the hash range", () => {
  it.each([
    ["a query", (headers: Record<string, string>) => raw.query(items.id, "SELECT * FROM c", headers)],
    [
      "an ordered query",
      (headers: Record<string, string>) => raw.query(items.id, "SELECT * FROM c ORDER BY c.n", headers),
    ],
    ["a read feed", (headers: Record<string, string>) => raw.items(items.id, headers)],
    ["a change feed", (headers: Record<string, string>) => raw.items(items.id, { ...headers, ...feed })],
  ])("is all that %s answers of", async (_, ask) => {
    for (const t of ["a", "b", "c"]) {
      expect(found(await ask(prefix(t)))).toEqual([`${t}1`, `${t}2`, `${t}3`]);
      expect(found(await ask(prefix(t, "2")))).toEqual([`${t}2`]);
    }
    expect((await ask({ "x-ms-start-epk": "", "x-ms-end-epk": "FF" })).status).toBe(200);
    expect(found(await ask({ "x-ms-start-epk": "", "x-ms-end-epk": "FF" }))).toHaveLength(9);
  });

  it("can be counted, and read page by page, with continuations of its own", async () => {
    const count = await raw.query(items.id, "SELECT VALUE COUNT(1) FROM c", prefix("b"));
    expect(count.json()).toMatchObject({ Documents: [3] });
    const page = { ...prefix("b"), "x-ms-max-item-count": "2" };
    const first = await raw.query(items.id, "SELECT * FROM c", page);
    expect(found(first)).toEqual(["b1", "b2"]);
    const token = { "x-ms-continuation": first.headers.get("x-ms-continuation") ?? "" };
    expect(found(await raw.query(items.id, "SELECT * FROM c", { ...page, ...token }))).toEqual(["b3"]);
    expect((await raw.query(items.id, "SELECT * FROM c", { ...prefix("c"), ...token })).status).toBe(400);
  });

  it("and its rest are the whole, wherever it is cut", async () => {
    for (const cut of ["05", "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", effectiveKey(["b", "2"]), "3F"]) {
      const low = found(await raw.query(items.id, "SELECT * FROM c", { "x-ms-end-epk": cut }));
      const high = found(await raw.query(items.id, "SELECT * FROM c", { "x-ms-start-epk": cut }));
      expect([...low, ...high].sort()).toEqual(["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"]);
    }
  });

  it("is honoured by a stale read too", async () => {
    world.cosmos.setFaults({ rules: [{ operation: "any", effect: { kind: "stale", writes: 1 } }] });
    await items.items.create({ id: "late", t: "a", j: "1", n: 9 });
    const stale = await raw.query(items.id, "SELECT * FROM c", prefix("a"));
    world.cosmos.setFaults({ rules: [] });
    await items.item("late", ["a", "1"]).delete();
    expect(found(stale)).toEqual(["a1", "a2", "a3"]);
  });

  it.each<[string, Record<string, string>]>([
    ["by resource ids", { "x-ms-read-key-type": "ResourceId" }],
    ["by single effective keys", { "x-ms-read-key-type": "EffectivePartitionKey" }],
    ["from an id", { "x-ms-start-id": "YQ==" }],
    ["to an id", { "x-ms-end-id": "YQ==" }],
    ["by a proxy's range", { "x-ms-thinclient-range-min": "00" }],
    ["by what is no effective key", { "x-ms-start-epk": "tenant" }],
    ["by a key without components", { "x-ms-documentdb-partitionkey": "[]" }],
  ])("%s is refused, for queries and feeds", async (_, headers) => {
    expect((await raw.query(items.id, "SELECT * FROM c", headers)).status).toBe(400);
    expect((await raw.items(items.id, headers)).status).toBe(400);
    expect((await raw.items(items.id, { ...headers, ...feed })).status).toBe(400);
  });

  it("of another hashing is refused", async () => {
    const partitionKey = { paths: ["/pk"], kind: "Hash", version: 1 };
    const { container } = await world.database.containers.create({ id: "old", partitionKey } as never);
    expect((await raw.query(container.id, "SELECT * FROM c", prefix("a"))).status).toBe(400);
    expect((await raw.query(container.id, "SELECT * FROM c")).status).toBe(200);
  });
});

describe("a partition key range", () => {
  it("is the one there is, of this container; else an SDK is told to look again", async () => {
    const rid = (await items.read()).resource?._rid ?? "";
    const ask = async (range: string) => {
      const headers = { "x-ms-documentdb-partitionkeyrangeid": range };
      const { status, headers: answered } = await raw.query(items.id, "SELECT * FROM c", headers);
      return [status, answered.get("x-ms-substatus")];
    };
    expect(await ask("0")).toEqual([200, null]);
    expect(await ask(`${rid},0`)).toEqual([200, null]);
    expect(await ask("7")).toEqual([410, "1002"]);
    expect(await ask("AAAAAYAAAP8=,0")).toEqual([410, "1000"]);
  });
});

it("a change feed with a query is refused, not answered as a query", async () => {
  const { status, json } = await raw.query(items.id, "SELECT * FROM c", feed);
  expect([status, (json() as { message: string }).message]).toEqual([
    400,
    expect.stringContaining("change feed with a query"),
  ]);
});

it("a key whose name has quotes is found in the item", async () => {
  const quoted = await world.container(['/"the key"/in']);
  expect(await statusOf(quoted.items.create({ id: "1", "the key": { in: "p" } }))).toBe(201);
  expect((await quoted.item("1", "p").read()).resource?.id).toBe("1");
});
