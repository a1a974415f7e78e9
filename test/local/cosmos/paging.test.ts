import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Container, FeedOptions, QueryIterator } from "@azure/cosmos";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { startCosmos } from "../../../local/cosmos/server.ts";
import { clientOf, openWorld, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
  return () => world.close();
});
beforeEach(async () => {
  items = await world.container(["/pk"]);
  for (let n = 0; n < 7; n++)
    await items.items.create({ id: `i${n}`, pk: n % 2 ? "odd" : "even", n: 9 - n, tags: [1, 2] });
});

/** Reads page by page, each with a query of its own, and lets something happen between two. */
async function paged(
  query: string,
  options: FeedOptions,
  between: (page: unknown[]) => Promise<unknown> = async () => 0,
) {
  const pages: unknown[][] = [];
  let continuationToken: string | undefined;
  do {
    const more = continuationToken === undefined ? {} : { continuationToken };
    const page = await items.items.query(query, { ...options, ...more }).fetchNext();
    pages.push(page.resources);
    continuationToken = page.continuationToken;
    await between(page.resources);
  } while (continuationToken !== undefined);
  return pages;
}

describe("continuation tokens", () => {
  it("go on behind the last row, though rows before it are deleted and others written", async () => {
    const key = (id: string) => (Number(id[1]) % 2 ? "odd" : "even");
    const remove = async (ids: unknown[]) => {
      for (const id of ids as string[]) await items.item(id, key(id)).delete();
    };
    expect(await paged("SELECT VALUE c.id FROM c", { maxItemCount: 3 }, remove)).toEqual([
      ["i0", "i1", "i2"],
      ["i3", "i4", "i5"],
      ["i6"],
    ]);
  });

  it("keep the order, with equal values, and rows of one item apart", async () => {
    const [equal] = await paged("SELECT VALUE c.id FROM c ORDER BY c.pk", { maxItemCount: 100 });
    expect(equal).toEqual(["i0", "i2", "i4", "i6", "i1", "i3", "i5"]);
    const pages = await paged("SELECT VALUE c.id FROM c ORDER BY c.pk", { maxItemCount: 2 });
    expect(pages.flat()).toEqual(equal);
    const joined = await paged("SELECT VALUE c.id || ToString(t) FROM c JOIN t IN c.tags WHERE c.n > 7", {
      maxItemCount: 3,
    });
    expect(joined).toEqual([["i01", "i02", "i11"], ["i12"]]);
  });

  it("count TOP, OFFSET and LIMIT over all pages", async () => {
    const count = async (query: string) =>
      (await paged(query, { maxItemCount: 2 })).map((page) => page.join(""));
    expect(await count("SELECT TOP 3 VALUE c.id FROM c ORDER BY c.n")).toEqual(["i6i5", "i4"]);
    expect(await count("SELECT VALUE c.id FROM c OFFSET 1 LIMIT 5")).toEqual(["i1i2", "i3i4", "i5"]);
    expect(await count("SELECT TOP 4 VALUE c.id FROM c ORDER BY c.n")).toEqual(["i6i5", "i4i3"]);
    expect(await count("SELECT DISTINCT VALUE c.pk FROM c ORDER BY c.pk OFFSET 1 LIMIT 5")).toEqual(["odd"]);
  });

  it("are not given where the service gives none: groups, aggregates, DISTINCT without an order", async () => {
    const pages = (query: string) => paged(query, { maxItemCount: 1 });
    expect(await pages("SELECT VALUE COUNT(1) FROM c GROUP BY c.n")).toEqual([[1, 1, 1, 1, 1, 1, 1]]);
    expect(await pages("SELECT VALUE COUNT(1) FROM c")).toEqual([[7]]);
    expect(await pages("SELECT DISTINCT VALUE c.pk FROM c")).toEqual([["even", "odd"]]);
    expect(await pages("SELECT DISTINCT VALUE c.pk FROM c ORDER BY c.pk")).toEqual([["even"], ["odd"], []]);
  });

  it("follow a full page, though it is the last: the next one is empty", async () => {
    const sizes = async (query: string, maxItemCount: number) =>
      (await paged(query, { maxItemCount })).map((page) => page.length);
    expect(await sizes("SELECT * FROM c", 7)).toEqual([7, 0]);
    expect(await sizes("SELECT * FROM c ORDER BY c.n", 7)).toEqual([7, 0]);
    expect(await sizes("SELECT * FROM c WHERE c.pk = 'odd'", 1)).toEqual([1, 1, 1, 0]);
    expect(await sizes("SELECT * FROM c", 8)).toEqual([7]);
    expect(await sizes("SELECT * FROM c WHERE false", 7)).toEqual([0]);
  });

  it("are of one query: another's is refused, and so is what is none", async () => {
    const { continuationToken = "" } = await items.items
      .query("SELECT * FROM c", { maxItemCount: 2 })
      .fetchNext();
    const other = (query: string, token: string) =>
      statusOf(items.items.query(query, { continuationToken: token }).fetchNext() as never);
    expect(await other("SELECT * FROM c WHERE c.n > 1", continuationToken)).toBe(400);
    expect(await other("SELECT * FROM c", "AAAA")).toBe(400);
  });

  it("survive a restart", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "switchyard-paging-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const open = async () => {
      const cosmos = await startCosmos({ port: 0, databaseFile: path.join(folder, "cosmos.db") });
      const client = clientOf(cosmos.port);
      const { database } = await client.databases.createIfNotExists({ id: "d" });
      const { container } = await database.containers.createIfNotExists({
        id: "c",
        partitionKey: { paths: ["/pk"] },
      });
      const close = async () => {
        client.dispose();
        await cosmos.close();
      };
      return { container, close };
    };
    const query = (from: Container, continuationToken?: string): QueryIterator<string> =>
      from.items.query("SELECT VALUE c.id FROM c ORDER BY c.n DESC", {
        maxItemCount: 2,
        ...(continuationToken === undefined ? {} : { continuationToken }),
      });
    const first = await open();
    for (let n = 0; n < 4; n++) await first.container.items.create({ id: `i${n}`, pk: "p", n });
    const page = await query(first.container).fetchNext();
    const feed = await first.container.items.changeFeed("p", { startFromBeginning: true }).fetchNext();
    await first.close();
    const second = await open();
    onTestFinished(second.close);
    expect([
      page.resources,
      (await query(second.container, page.continuationToken).fetchNext()).resources,
    ]).toEqual([
      ["i3", "i2"],
      ["i1", "i0"],
    ]);
    await second.container.items.upsert({ id: "i0", pk: "p", n: 0 });
    const changed = await second.container.items
      .changeFeed("p", { continuation: feed.continuation })
      .fetchNext();
    expect(changed.result.map((each: { id: string }) => each.id)).toEqual(["i0"]);
  });
});

describe("the plain feed", () => {
  it("too has an empty page behind a full one", async () => {
    const sizes: number[] = [];
    const pages = items.items.readAll({ maxItemCount: 7 }).getAsyncIterator();
    for await (const { resources } of pages) sizes.push(resources.length);
    expect(sizes).toEqual([7, 0]);
  });

  it("reads every item, page by page, as they were created", async () => {
    const found: string[] = [];
    let pages = 0;
    for await (const { resources } of items.items
      .readAll<{ id: string }>({ maxItemCount: 3 })
      .getAsyncIterator()) {
      pages++;
      found.push(...resources.map((each) => each.id));
    }
    expect([pages, found]).toEqual([3, ["i0", "i1", "i2", "i3", "i4", "i5", "i6"]]);
  });
});

describe("a page", () => {
  it("is at most 4 MB", async () => {
    const text = "x".repeat(1_500_000);
    for (let n = 0; n < 3; n++) await items.items.create({ id: `big${n}`, pk: "big", text });
    const page = await items.items.query("SELECT * FROM c", { partitionKey: "big" }).fetchNext();
    expect([page.resources.length, page.hasMoreResults]).toEqual([2, true]);
  });
});

describe("a query plan", () => {
  it("asked for by force is the query itself", async () => {
    const options = { maxItemCount: 4, forceQueryPlan: true };
    const all = await items.items.query("SELECT VALUE c.id FROM c ORDER BY c.n", options).fetchAll();
    expect(all.resources).toEqual(["i6", "i5", "i4", "i3", "i2", "i1", "i0"]);
    const counted = items.items.query("SELECT VALUE COUNT(1) FROM c", { forceQueryPlan: true });
    expect((await counted.fetchAll()).resources).toEqual([7]);
  });
});
