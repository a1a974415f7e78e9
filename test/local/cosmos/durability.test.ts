import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Container, OperationInput } from "@azure/cosmos";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CosmosOptions, startCosmos } from "../../../local/cosmos/server.ts";
import { DatabaseUnusable } from "../../../local/database.ts";
import { clientOf, statusOf } from "./world.ts";

let folder: string;
let file: string;
const closing: (() => Promise<void>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "cosmos-durability-"));
  file = path.join(folder, "cosmos.db");
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  rmSync(folder, { recursive: true });
});

async function open(options: Partial<CosmosOptions> = {}) {
  const lines: string[] = [];
  const cosmos = await startCosmos({
    port: 0,
    databaseFile: file,
    log: (line) => lines.push(line),
    ...options,
  });
  const client = clientOf(cosmos.port);
  const close = async () => {
    client.dispose();
    await cosmos.close();
  };
  closing.push(close);
  return { client, lines };
}

async function filled(count: number): Promise<Container> {
  const { client } = await open();
  const { database } = await client.databases.create({ id: "d" });
  const { container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/pk"] } });
  for (let n = 0; n < count; n++)
    await container.items.create({ id: `i${n}`, pk: "p", text: "x".repeat(1_000) });
  return container;
}

describe("a restart", () => {
  it("brings a file of an older version up to date: offers, prices and resource ids", async () => {
    const { client } = await open();
    const { database } = await client.databases.create({ id: "d" });
    const partitionKey = { paths: ["/pk"] };
    const { container } = await database.containers.create({ id: "c", partitionKey, throughput: 700 });
    await container.items.create({ id: "1", pk: "p", n: 1 });
    const rid = (await container.read()).resource?._rid ?? "";
    for (const close of closing.splice(0)) await close();
    // As version 3 left it: without the bit that tells a container's id, and without the terms of items.
    const bytes = Buffer.from(rid, "base64");
    bytes[4] = (bytes[4] ?? 0) & 0x7f;
    const old = bytes.toString("base64");
    const db = new DatabaseSync(file);
    db.exec(`UPDATE offers SET resource = replace(resource, '${rid}', '${old}');
      UPDATE items_1 SET body = replace(body, '${rid.slice(0, 8)}', '${old.slice(0, 8)}');
      ALTER TABLE items_1 DROP COLUMN terms; PRAGMA user_version = 3`);
    db.close();
    const again = (await open()).client.database("d").container("c");
    expect((await again.readOffer()).resource?.content?.offerThroughput).toBe(700);
    const { resource } = await again.item("1", "p").read();
    expect(resource).toMatchObject({ id: "1", n: 1, _self: expect.stringContaining(`/colls/${rid}/docs/`) });
    expect(Buffer.from(resource?._rid ?? "", "base64").subarray(0, 8)).toEqual(Buffer.from(rid, "base64"));
    expect((await again.items.upsert({ id: "1", pk: "p", n: 2 })).requestCharge).toBe(10.3);
  });

  it("gives no number out again, though the last item was deleted", async () => {
    const container = await filled(2);
    const { etag } = await container.item("i1", "p").read();
    await container.item("i1", "p").delete();
    for (const close of closing.splice(0)) await close();
    const again = (await open()).client.database("d").container("c");
    const created = await again.items.create({ id: "i1", pk: "p" });
    expect(created.etag > etag).toBe(true);
  });
});

describe("a store of another version", () => {
  /** As version 1 laid it out: numbered by the last write, without a place for what came later. */
  function makeVersion1(): void {
    const db = new DatabaseSync(file);
    db.exec(`CREATE TABLE databases (name TEXT PRIMARY KEY) STRICT;
      CREATE TABLE containers (number INTEGER PRIMARY KEY AUTOINCREMENT, database TEXT NOT NULL REFERENCES databases (name)
        ON DELETE CASCADE, name TEXT NOT NULL, definition TEXT NOT NULL, UNIQUE (database, name)) STRICT;
      CREATE TABLE items_1 (lsn INTEGER PRIMARY KEY, pk TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
        etag TEXT NOT NULL, expires_ms INTEGER, p1 TEXT NOT NULL, x_n ANY, UNIQUE (pk, id)) STRICT;
      CREATE INDEX items_1_expires ON items_1 (expires_ms) WHERE expires_ms IS NOT NULL;
      PRAGMA user_version = 1`);
    const definition = {
      id: "c",
      partitionKey: { paths: ["/pk"] },
      indexingPolicy: { includedPaths: [{ path: "/*" }, { path: "/n/?" }] },
    };
    db.prepare("INSERT INTO databases VALUES ('d')").run();
    db.prepare("INSERT INTO containers VALUES (1, 'd', 'c', ?)").run(JSON.stringify(definition));
    for (const [lsn, id, n] of [
      [3, "b", 2],
      [5, "a", 1],
    ] as const) {
      const body = JSON.stringify({ id, pk: "p", n, _etag: `"${lsn}"`, _ts: 1 });
      db.prepare("INSERT INTO items_1 VALUES (?, '\"p\"\u0001', ?, ?, ?, NULL, '\"p\"\u0001', ?)").run(
        lsn,
        id,
        body,
        `"${lsn}"`,
        n,
      );
    }
    db.close();
  }

  it("older: is migrated, with its items, etags and order", async () => {
    makeVersion1();
    const container = (await open()).client.database("d").container("c");
    const { resources } = await container.items.query("SELECT c.id, c.n FROM c").fetchAll();
    expect(resources).toEqual([
      { id: "b", n: 2 },
      { id: "a", n: 1 },
    ]);
    expect(
      (await container.items.query("SELECT VALUE c.id FROM c WHERE c.n = 1 ORDER BY c.n").fetchAll())
        .resources,
    ).toEqual(["a"]);
    const ifMatch = { accessCondition: { type: "IfMatch", condition: '"5"' } };
    expect(await statusOf(container.item("a", "p").replace({ id: "a", pk: "p", n: 9 }, ifMatch))).toBe(200);
    expect(await statusOf(container.items.create({ id: "c", pk: "p" }))).toBe(201);
  });

  it("newer: is refused by name", async () => {
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(open()).rejects.toThrow(DatabaseUnusable);
    await expect(open()).rejects.toThrow(/Cosmos: .*newer version \(99/);
  });
});

describe("a damaged file", () => {
  it("is refused, saying so", async () => {
    await filled(200);
    for (const close of closing.splice(0)) await close();
    const bytes = readFileSync(file);
    bytes.fill(0xee, Math.floor(bytes.length / 4), Math.floor(bytes.length / 2));
    writeFileSync(file, bytes);
    await expect(open()).rejects.toThrow(/damaged|malformed/);
    writeFileSync(file, "no database at all, but long enough to be looked at".repeat(100));
    await expect(open()).rejects.toThrow(/cannot be opened/);
  });
});

describe("a full disk", () => {
  it("refuses writes with a clear error, loses and half-writes nothing, and goes on once there is room", async () => {
    const container = await filled(3);
    for (const close of closing.splice(0)) await close();
    const full = await open({ maxDatabasePages: 20 });
    const items = full.client.database("d").container(container.id);
    const told: string[] = ["i0", "i1", "i2"];
    const text = "x".repeat(10_000);
    const refused: { code: number; body?: { message?: string } }[] = [];
    for (let n = 0; n < 30; n++) {
      const create = (id: string): OperationInput => ({
        operationType: "Create",
        resourceBody: { id, pk: "p", text },
      });
      const ids = [`a${n}`, `b${n}`];
      await items.items.batch(ids.map(create), "p").then(
        ({ result }) => result?.every(({ statusCode }) => statusCode === 201) && told.push(...ids),
        (thrown) => refused.push(thrown.cause ?? thrown),
      );
    }
    expect(refused.length).toBeGreaterThan(0);
    for (const each of refused)
      expect(each).toMatchObject({ code: 500, message: expect.stringContaining("disk is full") });
    expect(full.lines.join()).toContain("disk is full");
    const there = async (from: Container) =>
      (await from.items.query("SELECT VALUE c.id FROM c").fetchAll()).resources.sort();
    expect(await there(items)).toEqual(told.sort());
    for (const close of closing.splice(0)) await close();
    const again = (await open()).client.database("d").container("c");
    expect(await there(again)).toEqual(told.sort());
    expect(await statusOf(again.items.create({ id: "room", pk: "p", text }))).toBe(201);
  });
});
