import type { Container } from "@azure/cosmos";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { inHybridRows, jsonBatch, OPERATION } from "../../../local/cosmos/hybrid-batch.ts";
import { rowsIn, streamOf } from "../../../local/cosmos/hybrid-row.ts";
import { RawClient } from "./signed-request.ts";
import { openWorld, type World } from "./world.ts";

/** Each as Microsoft.Azure.Cosmos 3.64 sent it. */
const SEGMENT = "81f0d8ff7f010a000000";
/** Create b1, upsert b2, replace b1, read b1, patch old, delete b2. */
const SIX =
  "81f1d8ff7f36000000aa9886d8817054e17f430000000002000000277b226964223a226231222c22706b223a2262222c226e223a312c2274616773223a5b312c325d7d81f1d8ff7f3600000092b9e841817054e17f431400000002000000277b226964223a226232222c22706b223a2262222c226e223a322c2274616773223a5b312c325d7d81f1d8ff7f3a00000069c64ae5817054e17f530500000002000000026231287b226964223a226231222c22706b223a2262222c226e223a31312c2274616773223a5b312c325d7d81f1d8ff7f11000000c7a18791817054e17f13020000000200000002623181f1d8ff7f47000000315cb4d2817054e17f530100000002000000036f6c64347b226f7065726174696f6e73223a5b7b226f70223a22696e6372222c2270617468223a222f6e222c2276616c7565223a317d5d7d81f1d8ff7f110000003e3a3be0817054e17f130400000002000000026232";
/** Create b3 and old, which is there. */
const CONFLICT =
  "81f1d8ff7f36000000084949c5817054e17f430000000002000000277b226964223a226233222c22706b223a2262222c226e223a312c2274616773223a5b312c325d7d81f1d8ff7f3700000090501657817054e17f430000000002000000287b226964223a226f6c64222c22706b223a2262222c226e223a312c2274616773223a5b312c325d7d";
/** Replace b1 if it has a certain etag; its content is not wanted back. */
const CONDITIONAL =
  "81f1d8ff7f51000000eec24604817054e17f530500000002000000026231277b226964223a226231222c22706b223a2262222c226e223a312c2274616773223a5b312c325d7d14091322303030312d30303030303030303030366322030c";
/** Two operations of a bulk, each with its key. */
const BULK =
  "81f1d8ff7f460000008b70f179817054e17f470000000002000000095b2262756c6b31225d2d7b226964223a226b3336222c22706b223a2262756c6b31222c226e223a33362c2274616773223a5b312c325d7d81f1d8ff7f440000003bb632cd817054e17f470000000002000000095b2262756c6b30225d2b7b226964223a226b30222c22706b223a2262756c6b30222c226e223a302c2274616773223a5b312c325d7d";

const bytesOf = (...records: string[]) => Buffer.from(SEGMENT + records.join(""), "hex");
const item = (id: string, pk: string, n: number) => ({ id, pk, n, tags: [1, 2] });

describe("the rows of a batch", () => {
  it("are read as the operations they are", () => {
    expect(JSON.parse(jsonBatch(bytesOf(SIX)))).toEqual([
      { operationType: "Create", resourceBody: item("b1", "b", 1) },
      { operationType: "Upsert", resourceBody: item("b2", "b", 2) },
      { operationType: "Replace", id: "b1", resourceBody: item("b1", "b", 11) },
      { operationType: "Read", id: "b1" },
      {
        operationType: "Patch",
        id: "old",
        resourceBody: { operations: [{ op: "incr", path: "/n", value: 1 }] },
      },
      { operationType: "Delete", id: "b2" },
    ]);
    expect(JSON.parse(jsonBatch(bytesOf(CONDITIONAL)))).toEqual([
      {
        ...{ operationType: "Replace", id: "b1", resourceBody: item("b1", "b", 1) },
        ...{ ifMatch: '"0001-00000000006c"', minimalReturnPreference: true },
      },
    ]);
    expect(JSON.parse(jsonBatch(bytesOf(BULK)))).toEqual([
      { operationType: "Create", partitionKey: '["bulk1"]', resourceBody: item("k36", "bulk1", 36) },
      { operationType: "Create", partitionKey: '["bulk0"]', resourceBody: item("k0", "bulk0", 0) },
    ]);
  });

  it("of an answer are as the SDK has read them", () => {
    const body = JSON.stringify([
      { statusCode: 424, requestCharge: 5.95 },
      { statusCode: 200, requestCharge: 10.3, eTag: '"0001-000000000070"' },
    ]);
    const { body: bytes } = inHybridRows({ status: 207, headers: {}, charge: 0, body });
    expect((bytes as Buffer).toString("hex")).toBe(
      `${SEGMENT}81f1d8ff7f180000007346ee53817154e17f03a8010000000000001006cdcccccccccc1740${"81f1d8ff7f2c0000007f79e848817154e17f07c8000000000000001322303030312d3030303030303030303037302210069a99999999992440"}`,
    );
  });

  it("that are damaged, or of another kind, are refused and nothing else", () => {
    const whole = bytesOf(SIX, CONDITIONAL);
    for (let at = 0; at < whole.length; at++) {
      const cut = whole.subarray(0, at);
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      const lengthless = Buffer.from(whole).fill(0, at, Math.min(at + 4, whole.length));
      for (const bytes of [cut, changed, lengthless]) {
        try {
          jsonBatch(bytes); // what ends between two records is a shorter batch
        } catch (thrown) {
          expect(thrown).toMatchObject({ name: "CosmosError", status: 400 });
        }
      }
    }
    expect(() => jsonBatch(whole.subarray(0, -1))).toThrow("ends too soon");
  });
});

describe("a batch in rows", () => {
  let world: World;
  let raw: RawClient;
  let items: Container;
  beforeAll(async () => {
    world = await openWorld();
    raw = new RawClient(world.cosmos.port);
    return () => world.close();
  });
  beforeEach(async () => {
    items = await world.container(["/pk"]);
    await items.items.create(item("old", "b", 1));
  });

  const batch = { "x-ms-cosmos-is-batch-request": "True", "x-ms-documentdb-partitionkey": '["b"]' };
  const atomic = { ...batch, "x-ms-cosmos-batch-atomic": "True", "x-ms-cosmos-batch-ordered": "True" };
  /** Each row of an answer begins with its schema, a byte of bits and the status. */
  const statuses = (bytes: Buffer) =>
    bytes
      .toString("hex")
      .split("817154e17f")
      .slice(1)
      .map((row) => Buffer.from(row, "hex").readInt32LE(1));

  it("is done whole, and answered in rows", async () => {
    const { status, headers, bytes } = await raw.items(items.id, atomic, bytesOf(SIX));
    expect([status, headers.get("content-type")]).toEqual([200, "application/octet-stream"]);
    expect(statuses(bytes)).toEqual([201, 201, 200, 200, 200, 204]);
    const { resources } = await items.items.query("SELECT c.id, c.n FROM c ORDER BY c.id").fetchAll();
    expect(resources).toEqual([
      { id: "b1", n: 11 },
      { id: "old", n: 2 },
    ]);
  });

  it("is undone whole where one of it fails", async () => {
    const { status, bytes } = await raw.items(items.id, atomic, bytesOf(CONFLICT));
    expect([status, ...statuses(bytes)]).toEqual([207, 424, 409]);
    expect((await items.items.readAll().fetchAll()).resources).toHaveLength(1);
  });

  it("keeps to etags", async () => {
    await items.items.create(item("b1", "b", 1));
    const { status, bytes } = await raw.items(items.id, atomic, bytesOf(CONDITIONAL));
    expect([status, ...statuses(bytes)]).toEqual([207, 412]);
  });

  it("in bulk does each operation by itself, with its own key", async () => {
    const bulk = {
      ...{ "x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "False" },
      ...{ "x-ms-cosmos-batch-continue-on-error": "True", "x-ms-documentdb-partitionkeyrangeid": "0" },
    };
    expect(statuses((await raw.items(items.id, bulk, bytesOf(BULK))).bytes)).toEqual([201, 201]);
    expect(statuses((await raw.items(items.id, bulk, bytesOf(BULK))).bytes)).toEqual([409, 409]);
    expect((await items.item("k36", "bulk1").read()).resource).toMatchObject({ n: 36 });
  });

  it("with an item in binary JSON is refused by name, as such an item by itself is", async () => {
    const binary = Buffer.from("80ea03f3e1", "hex");
    const alone = await raw.items(items.id, { "x-ms-documentdb-partitionkey": '["b"]' }, binary);
    const [row] = rowsIn(bytesOf(SIX), OPERATION);
    const batch = streamOf([{ ...row, resourceBody: binary }], OPERATION);
    for (const { status, json } of [alone, await raw.items(items.id, atomic, batch)])
      expect([status, (json() as { message: string }).message]).toEqual([
        400,
        expect.stringContaining("binary JSON"),
      ]);
  });

  it("that is no such batch is refused in JSON", async () => {
    const { status, json } = await raw.items(items.id, atomic, bytesOf("00"));
    expect([status, (json() as { message: string }).message]).toEqual([
      400,
      expect.stringContaining("HybridRow"),
    ]);
  });
});
