import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ITEMS, type ItemKind } from "../../../../shared/azure/cosmos/items.ts";
import { countOf, queryOf } from "../../../../shared/azure/cosmos/queries.ts";
import { STORED_ITEMS_FILE, storedItems } from "../../../../tools/docs/stored-items.ts";
import { resources } from "../../world.ts";

const kinds: readonly ItemKind[] = Object.values(ITEMS);

describe("queries", () => {
  it("are made in one file, which names the kind in each", () => {
    const folder = path.resolve(import.meta.dirname, "../../../../shared");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts"));
    expect(files.length).toBeGreaterThan(100);
    const asking = files.filter((file) =>
      /\bFROM\s+c\b/i.test(readFileSync(path.join(folder, file), "utf8")),
    );
    expect(asking).toEqual(["azure/cosmos/queries.ts"]);
  });

  it("keep a condition with OR from finding another kind", () => {
    const where = "c.a = 1 OR c.b = 2";
    expect(queryOf(ITEMS.job, { where }).query).toBe(`SELECT * FROM c WHERE c.kind = 'job' AND (${where})`);
    expect(queryOf([ITEMS.job, ITEMS.audit], { where }).query).toBe(
      `SELECT * FROM c WHERE (c.kind = 'job' OR c.kind = 'audit') AND (${where})`,
    );
    expect(countOf(ITEMS.job, { where }).query).toBe(
      `SELECT VALUE COUNT(1) FROM c WHERE c.id = 'job' AND (${where})`,
    );
  });
});

describe("the catalogue of stored items", () => {
  it("finds by indexed fields alone, and leaves no index unused", () => {
    for (const { name, indexing } of resources.cosmos.containers) {
      const searched = new Set(
        kinds.filter((kind) => kind.container === name).flatMap((kind) => kind.foundBy),
      );
      const indexed = new Set(indexing.included.map((each: string) => each.replace(/\/\?$/, "")));
      // Cosmos DB indexes these two by itself.
      for (const always of ["/id", "/_ts"]) searched.delete(always);
      expect([name, [...searched].sort()]).toEqual([name, [...indexed].sort()]);
    }
  });

  it("gives every kind a name, a place and an id of its own in its container", () => {
    const places = kinds.map(({ container, partition, id }) => `${container} ${partition} ${id}`);
    expect(new Set(places).size).toBe(kinds.length);
    const names = kinds.map(({ container, kind }) => `${container} ${kind}`);
    expect(new Set(names).size).toBe(kinds.length);
  });

  it("is docs/stored-items.md: npm run docs writes it", () => {
    const page = readFileSync(STORED_ITEMS_FILE, "utf8");
    expect(page).toBe(storedItems());
    for (const { kind } of kinds) expect(page).toContain(`\`${kind}\``);
  });
});
