import type { Container, OperationInput } from "@azure/cosmos";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CONTAINER, type OpenDatabase, type TestDatabase } from "./cosmos-targets.ts";

const TIMEOUT_MS = 60_000;

/** What the app relies on of Cosmos DB; the same against the local emulator and Azure. */
export function cosmosContract(where: string, open: OpenDatabase): void {
  describe(`Cosmos DB ${where}`, { timeout: TIMEOUT_MS }, () => {
    let opened: TestDatabase;
    let items: Container;
    beforeAll(async () => {
      opened = await open();
      items = (await opened.database.containers.create(CONTAINER)).container;
    }, TIMEOUT_MS);
    afterAll(() => opened.close(), TIMEOUT_MS);

    let jobs = 0;
    const job = () => ["team", `job${++jobs}`] as const;
    const item = ([tenant, name]: readonly [string, string], id: string, n = 1) => ({
      id,
      tenant,
      job: name,
      n,
    });
    const create = (value: object): OperationInput => ({
      operationType: "Create",
      resourceBody: value as never,
    });
    const replace = (id: string, value: object, ifMatch: string): OperationInput => ({
      ...{ operationType: "Replace", id, ifMatch },
      resourceBody: value as never,
    });
    const statuses = async (operations: OperationInput[], key: readonly string[]) =>
      (await items.items.batch(operations, [...key])).result?.map((each) => each.statusCode);
    const code = (call: Promise<unknown>) =>
      call.then(
        () => "none",
        (thrown) => thrown.code,
      );

    it("gives one of two writers of the same version the write, in a batch as alone", async () => {
      const key = job();
      const { etag } = await items.items.create(item(key, "state"));
      expect(
        await statuses([replace("state", item(key, "state", 2), etag), create(item(key, "r1"))], key),
      ).toEqual([200, 201]);
      expect(
        await statuses([create(item(key, "r2")), replace("state", item(key, "state", 3), etag)], key),
      ).toEqual([424, 412]);
      const condition = { accessCondition: { type: "IfMatch", condition: etag } };
      expect(await code(items.item("state", [...key]).replace(item(key, "state", 4), condition))).toBe(412);
      const { resources } = await items.items
        .query("SELECT VALUE c.id FROM c", { partitionKey: [...key] })
        .fetchAll();
      expect(resources.sort()).toEqual(["r1", "state"]);
    });

    it("refuses a second create, and reads nothing of what is not there", async () => {
      const key = job();
      await items.items.create(item(key, "x"));
      expect(await code(items.items.create(item(key, "x")))).toBe(409);
      const { resource, statusCode } = await items.item("none", [...key]).read();
      expect([resource, statusCode]).toEqual([undefined, 404]);
    });

    it("keeps a patch to its condition", async () => {
      const key = job();
      await items.items.create(item(key, "x", 5));
      const patch = (condition: string) =>
        items.item("x", [...key]).patch({ condition, operations: [{ op: "incr", path: "/n", value: 1 }] });
      expect(await code(patch("FROM c WHERE c.n > 5"))).toBe(412);
      expect((await patch("FROM c WHERE c.n = 5")).resource?.n).toBe(6);
    });

    it("finds by a prefix of the key, in the order of several fields, page by page", async () => {
      for (const [name, n] of [
        ["a", 1],
        ["b", 2],
        ["c", 2],
      ] as const)
        await items.items.create({ id: "x", tenant: "paged", job: name, n });
      const query = "SELECT VALUE c.job FROM c ORDER BY c.n DESC, c.job DESC";
      const options = { partitionKey: ["paged"], maxItemCount: 2 };
      expect((await items.items.query(query, options).fetchAll()).resources).toEqual(["c", "b", "a"]);
    });

    it("refuses ORDER BY of what is not indexed, and of several fields without a composite index", async () => {
      const refused = (order: string) =>
        code(items.items.query(`SELECT * FROM c ORDER BY ${order}`).fetchAll());
      expect(await refused("c.unknown")).toBe(400);
      expect(await refused("c.job, c.n")).toBe(400);
    });

    it("follows a full page with another, though it was the last", async () => {
      const key = job();
      for (const id of ["a", "b"]) await items.items.create(item(key, id));
      const pages = items.items.query("SELECT VALUE c.id FROM c", {
        partitionKey: [...key],
        maxItemCount: 2,
      });
      const first = await pages.fetchNext();
      expect([first.resources.sort(), pages.hasMoreResults()]).toEqual([["a", "b"], true]);
      expect((await pages.fetchNext()).resources).toEqual([]);
    });

    it("refuses key paths with spaces or wildcards", async () => {
      for (const path of ["/id ds", "/a/*"]) {
        const made = opened.database.containers.create({ id: "paths", partitionKey: { paths: [path] } });
        expect(await code(made)).toBe(400);
      }
    });

    it("refuses what is too large", async () => {
      const key = job();
      const text = "x".repeat(2_200_000);
      expect(await code(items.items.create({ ...item(key, "x"), text }))).toBe(413);
    });
  });
}
