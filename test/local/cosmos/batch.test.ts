import type { Container, OperationInput } from "@azure/cosmos";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openWorld, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  items = await world.container();
});

const key = ["a", "1"];
const item = (id: string, more: object = {}) => ({ id, t: "a", j: "1", ...more });
const create = (id: string, more: object = {}): OperationInput => ({
  operationType: "Create",
  resourceBody: item(id, more) as never,
});
const codes = async (operations: OperationInput[]) => {
  const answer = await items.items.batch(operations, key);
  return answer.result?.map((each) => each.statusCode);
};
const ids = async () =>
  (await items.items.query("SELECT VALUE c.id FROM c", { partitionKey: key }).fetchAll()).resources.sort();

describe("a transactional batch", () => {
  it("does all of its operations, each seeing the ones before", async () => {
    await items.items.create(item("old", { n: 1 }));
    const done = await codes([
      create("x"),
      { operationType: "Upsert", resourceBody: item("y") as never },
      { operationType: "Replace", id: "x", resourceBody: item("x", { n: 2 }) as never },
      { operationType: "Read", id: "x" },
      {
        operationType: "Patch",
        id: "old",
        resourceBody: { operations: [{ op: "incr", path: "/n", value: 1 }] },
      },
      { operationType: "Delete", id: "y" },
    ] as OperationInput[]);
    expect(done).toEqual([201, 201, 200, 200, 200, 204]);
    expect(await ids()).toEqual(["old", "x"]);
  });

  it("rolls back whole when one fails: that one's code, 424 for the rest", async () => {
    await items.items.create(item("there"));
    expect(await codes([create("x"), create("there"), create("z")])).toEqual([424, 409, 424]);
    expect(await ids()).toEqual(["there"]);
  });

  it("is strict about etags", async () => {
    const { etag } = await items.items.create(item("x"));
    const replace = (ifMatch: string): OperationInput => ({
      operationType: "Replace",
      id: "x",
      ifMatch,
      resourceBody: item("x") as never,
    });
    expect(await codes([replace(etag), create("y")])).toEqual([200, 201]);
    expect(await codes([create("z"), replace(etag)])).toEqual([424, 412]);
    expect(await codes([{ operationType: "Delete", id: "x", ifMatch: etag } as OperationInput])).toEqual([
      412,
    ]);
    expect(await ids()).toEqual(["x", "y"]);
  });

  it("has at most 100 operations and 2 MB, in one partition", async () => {
    const many = Array.from({ length: 101 }, (_, n) => create(`i${n}`));
    await expect(items.items.batch(many, key)).rejects.toThrow("100 operations"); // the SDK itself says no
    expect(await codes(many.slice(0, 100))).toHaveLength(100);
    const large = Array.from({ length: 3 }, (_, n) => create(`l${n}`, { text: "x".repeat(900_000) }));
    expect(await statusOf(items.items.batch(large, key))).toBe(413);
    const elsewhere = {
      operationType: "Create",
      resourceBody: { id: "q", t: "b", j: "1" },
    } as OperationInput;
    expect(await codes([elsewhere])).toEqual([400]);
  });

  it("gives one of two writers of the same version the write", async () => {
    const { etag } = await items.items.create(item("x"));
    const write = (n: number) =>
      codes([
        { operationType: "Replace", id: "x", ifMatch: etag, resourceBody: item("x", { n }) as never },
        create(`record-${n}`),
      ]);
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => write(n)));
    expect(all.filter((each) => each?.[0] === 200)).toHaveLength(1);
    expect(await ids()).toHaveLength(2);
  });
});

it("a batch with an operation of another partition is refused whole", async () => {
  const other = { ...create("x"), partitionKey: ["b", "1"] } as OperationInput;
  await expect(items.items.batch([create("y"), other], key)).rejects.toThrow(
    "One or more operations within the batch request have a different partition key value than the request.",
  );
  expect(await codes([{ ...create("z"), partitionKey: ["a", "1"] } as OperationInput])).toEqual([201]);
  expect(await ids()).toEqual(["z"]);
});

describe("bulk", () => {
  it("goes on after a failure or, where it is told to stop, answers 424 for the rest", async () => {
    const operations = (id: string) =>
      [create("bad", { ttl: -10 }), create(id)].map((each) => ({
        ...each,
        partitionKey: key,
      })) as OperationInput[];
    const statuses = async (id: string, continueOnError: boolean) =>
      (await items.items.bulk(operations(id), { continueOnError })).map((each) => each.statusCode);
    expect(await statuses("x", false)).toEqual([400, 424]);
    expect(await statuses("y", true)).toEqual([400, 201]);
    expect(await ids()).toEqual(["y"]);
  });

  it("says which item was too large in the service's words", async () => {
    const [answer] = await items.items.executeBulkOperations([
      { ...create("x", { text: "x".repeat(2_200_000) }), partitionKey: key } as OperationInput,
    ]);
    expect(answer?.error).toMatchObject({ code: 413 });
    expect(answer?.error?.message).toContain('Message: {"Errors":["Request size is too large"]}\r\n');
  });

  it("does each operation by itself", async () => {
    await items.items.create(item("there"));
    const answers = await items.items.executeBulkOperations([
      { operationType: "Create", partitionKey: key, resourceBody: item("x") },
      { operationType: "Create", partitionKey: key, resourceBody: item("there") },
      { operationType: "Create", partitionKey: ["b", "2"], resourceBody: { id: "x", t: "b", j: "2" } },
    ] as never);
    expect(answers.map((each) => each.response?.statusCode ?? Number(each.error?.code))).toEqual([
      201, 409, 201,
    ]);
  });
});
