import { type ChangeFeedIteratorOptions, ChangeFeedStartFrom, type Container } from "@azure/cosmos";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openWorld, type World } from "./world.ts";

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
  return () => world.close();
});
beforeEach(async () => {
  items = await world.container(["/t", "/j"]);
});

const put = (id: string, t = "a", n = 1) => items.items.upsert({ id, t, j: id, n });
const names = (list: readonly { id: string; n: number }[]) => list.map(({ id, n }) => `${id}${n}`);

/** Reads until there is nothing new; also says where to go on. */
async function read(options: ChangeFeedIteratorOptions) {
  const iterator = items.items.getChangeFeedIterator<{ id: string; n: number }>(options);
  const found: string[] = [];
  for (;;) {
    const page = await iterator.readNext();
    if (page.statusCode === 304) return { found, token: page.continuationToken };
    found.push(...names(page.result));
  }
}

describe("the change feed", () => {
  it("gives the latest version of each item in the order of the last write, page by page", async () => {
    for (const id of ["x", "y", "z"]) await put(id);
    await put("x", "a", 2);
    await items.item("z", ["a", "z"]).delete();
    const start = ChangeFeedStartFrom.Beginning();
    const { found, token } = await read({ changeFeedStartFrom: start, maxItemCount: 1 });
    expect(found).toEqual(["y1", "x2"]);
    await put("y", "a", 3);
    expect((await read({ changeFeedStartFrom: ChangeFeedStartFrom.Continuation(token) })).found).toEqual([
      "y3",
    ]);
  });

  it("begins now, or at a time", async () => {
    await put("before");
    const now = await read({ changeFeedStartFrom: ChangeFeedStartFrom.Now() });
    expect(now.found).toEqual([]);
    world.clock.advance(5_000);
    const time = new Date(world.clock.now());
    await put("after");
    const go = ChangeFeedStartFrom.Continuation(now.token);
    expect((await read({ changeFeedStartFrom: go })).found).toEqual(["after1"]);
    expect((await read({ changeFeedStartFrom: ChangeFeedStartFrom.Time(time) })).found).toEqual(["after1"]);
  });

  it("is of one partition key, of the beginning of one, or of all", async () => {
    await put("x", "a");
    await put("y", "a");
    await put("z", "b");
    const of = async (key: string[]) =>
      (await read({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(key) })).found;
    expect([await of(["a", "x"]), await of(["b", "z"])]).toEqual([["x1"], ["z1"]]);
    expect([await of(["a"]), await of(["b"])]).toEqual([["x1", "y1"], ["z1"]]);
    const [whole] = await items.getFeedRanges();
    expect((await read({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning(whole) })).found).toHaveLength(3);
  });

  it("of all versions and deletes is refused by name", async () => {
    const start = ChangeFeedStartFrom.Now();
    const iterator = items.items.getChangeFeedIterator({
      changeFeedStartFrom: start,
      changeFeedMode: "Full-Fidelity Feed" as never,
    });
    await expect(iterator.readNext()).rejects.toThrow(/full-fidelity feed/);
  });

  it("never gives out a number twice: what is written after a delete is seen", async () => {
    await put("x");
    await put("y");
    const { token } = await read({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
    await items.item("y", ["a", "y"]).delete();
    await put("z");
    expect((await read({ changeFeedStartFrom: ChangeFeedStartFrom.Continuation(token) })).found).toEqual([
      "z1",
    ]);
  });
});
