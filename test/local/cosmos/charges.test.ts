import type { Container, OperationInput } from "@azure/cosmos";
import { beforeAll, describe, expect, it } from "vitest";
import { pricesFor } from "../../../local/cosmos/charges.ts";
import { openWorld, type World } from "./world.ts";

const KB = 1024;
const NO_TERMS = new Int32Array();
const session = pricesFor("Session");
const read = (kilobytes: number, prices = session) =>
  prices.of({ kind: "read", text: "x".repeat(kilobytes * KB) });
const write = (kilobytes: number) =>
  session.of({ kind: "write", inserted: { bytes: kilobytes * KB, terms: NO_TERMS } });

describe("the price", () => {
  it.each([
    [0.1, 1, 4.95],
    [1, 1, 4.95],
    [2, 1.04, 6.29],
    [8, 1.33, 7.04],
    [32, 2.19, 11.23],
    [100, 9.95, 48.19],
    [128, 9.95, 48.19],
    [512, 40.95, 184.57],
    [2_048, 291.8, 1_250],
  ])("of %d KB is the documented one, read or written", (kilobytes, reading, writing) => {
    expect(read(kilobytes)).toBeCloseTo(reading);
    expect(write(kilobytes)).toBeCloseTo(writing);
  });

  it("grows with the size, without steps: between two rows of the table it is in between", () => {
    for (let kilobytes = 1; kilobytes < 2_000; kilobytes += 7) {
      expect(write(kilobytes + 1)).toBeGreaterThanOrEqual(write(kilobytes));
      expect(write(kilobytes + 1) - write(kilobytes)).toBeLessThan(1.4);
    }
    expect(read(48)).toBeCloseTo((2.19 + 4.76) / 2);
  });

  it("of a read is twice as much under strong consistency and bounded staleness", () => {
    for (const level of ["Strong", "BoundedStaleness"]) expect(read(32, pricesFor(level))).toBeCloseTo(4.38);
    expect(pricesFor("Strong").of({ kind: "write", removed: { bytes: KB, terms: NO_TERMS } })).toBe(4.95);
  });

  it("counts bytes, not characters", () => {
    expect(session.of({ kind: "read", text: "中".repeat(KB * 32) })).toBeCloseTo(
      session.of({ kind: "read", text: "x".repeat(KB * 96) }),
    );
  });

  it("of a feed is that of its items read one by one; of one with nothing new, 1", () => {
    const text = "x".repeat(KB);
    expect(session.feed([text, text, text, text, text])).toBe(5);
    expect(session.feed([])).toBe(1);
  });
});

/** Each with 0.2 RU for a term that goes into an index or out of it; items are below 1 KB, at 4.95 RU. */
describe("a request", () => {
  let world: World;
  let items: Container;
  beforeAll(async () => {
    world = await openWorld();
    const order = (path: string) => ({ path, order: "ascending" });
    items = await world.container(["/pk"], {
      indexingPolicy: {
        includedPaths: [{ path: "/a/?" }, { path: "/b/*" }, { path: "/list/[]/n/?" }],
        excludedPaths: [{ path: "/*" }, { path: "/b/secret/?" }],
        compositeIndexes: [[order("/a"), order("/c")]],
      },
    });
    return () => world.close();
  });

  const charge = async (call: Promise<{ requestCharge: number }>) => (await call).requestCharge;
  let made = 0;
  const fresh = (more: object = {}) => ({ id: `i${++made}`, pk: "p", ...more });

  it("that creates costs the document and its terms", async () => {
    const create = (more: object) => charge(items.items.create(fresh(more)));
    expect(await create({ d: 1, e: { a: 2 } })).toBe(4.95);
    expect(await create({ a: 1 })).toBe(5.35); // the term, and the composite index's
    expect(await create({ b: { x: 1, y: { z: null }, secret: 1 } })).toBe(5.35);
    expect(await create({ list: [{ n: 1 }, { n: 2 }, { n: 2, m: 1 }, 5] })).toBe(5.35);
    expect(await create({ c: 1 })).toBe(5.15);
  });

  it("that replaces costs both documents, and the terms that change", async () => {
    const item = fresh({ b: { x: 1, y: 2 } });
    await items.items.create(item);
    expect(await charge(items.item(item.id, "p").replace({ ...item, d: 5 }))).toBe(9.9);
    expect(await charge(items.items.upsert({ ...item, b: { x: 1, y: 3 } }))).toBe(10.3);
    expect(await charge(items.items.upsert({ ...item, b: {} }))).toBe(10.3);
  });

  it("that patches costs as much, and each property", async () => {
    const item = fresh({ b: { x: 1 }, d: 1 });
    await items.items.create(item);
    const patch = [
      { op: "incr" as const, path: "/b/x", value: 1 },
      { op: "incr" as const, path: "/d", value: 1 },
    ];
    expect(await charge(items.item(item.id, "p").patch(patch))).toBe(11.1);
  });

  it("that deletes costs the document and its terms", async () => {
    const item = fresh({ b: { x: 1, y: 2 } });
    await items.items.create(item);
    expect(await charge(items.item(item.id, "p").delete())).toBe(5.35);
  });

  it("with a batch costs what its operations do, those included that were undone", async () => {
    const [one, two] = [fresh({ b: { x: 1 } }), fresh()];
    const create = (item: object): OperationInput => ({
      operationType: "Create",
      resourceBody: item as never,
    });
    const done = await items.items.batch(
      [create(one), create(two), { operationType: "Read", id: one.id }],
      "p",
    );
    expect(done.result?.map((each) => each.requestCharge)).toEqual([5.15, 4.95, 1]);
    expect(Number(done.headers["x-ms-request-charge"])).toBeCloseTo(11.1);
    const failed = await items.items.batch([create(fresh()), create(one), create(fresh())], "p");
    expect(failed.result?.map((each) => each.requestCharge)).toEqual([4.95, 1, 0]);
  });

  it("that is refused for want of units costs nothing", async () => {
    world.cosmos.setFaults({ rules: [{ operation: "read", effect: { kind: "refuse", status: 429 } }] });
    const before = world.cosmos.counters().request_units;
    await expect(items.item("any", "p").read()).rejects.toMatchObject({ code: 429 });
    world.cosmos.setFaults({ rules: [] });
    expect(world.cosmos.counters().request_units).toBe(before);
  });
});
