import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ChangeFeedStartFrom, type Container, type CosmosClient, type OperationInput } from "@azure/cosmos";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { type RunningCosmos, startCosmos } from "../../../local/cosmos/server.ts";
import { type BatchPart, ContainerModel, type Match, type Operation, operation } from "./container-model.ts";
import { clientOf, statusOf } from "./world.ts";

const LONG = process.env.LONG === "1";
const RUNS = LONG ? 1_000 : 8;
const OPERATIONS = 50;
/**
 * Runs over one store, each in a container of its own. A crash is as dear as the store's log is long: it is copied,
 * read when the copy is opened, and written out when what crashed is closed.
 */
const RUNS_A_STORE = 10;

let folder: string;
let emulator: Emulator;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "cosmos-model-"));
  emulator = new Emulator();
  await emulator.openNew();
});
afterEach(async () => {
  await emulator.close();
  rmSync(folder, { recursive: true });
});

/** An emulator that can crash: it goes on from a copy of its files as they are at that moment, as after kill -9. */
class Emulator {
  readonly clock = new ManualClock();
  #file = "";
  #files = 0;
  #cosmos: RunningCosmos | undefined;
  #client: CosmosClient | undefined;

  /** Over an empty store. */
  async openNew(): Promise<void> {
    await this.close();
    await this.#open(this.#nextFile());
  }

  #nextFile(): string {
    return path.join(folder, `${++this.#files}.db`);
  }

  async #open(file: string): Promise<void> {
    this.#file = file;
    this.#cosmos = await startCosmos({ port: 0, databaseFile: file, clock: this.clock });
    this.#client = clientOf(this.#cosmos.port);
    await this.#client.databases.createIfNotExists({ id: "d" });
  }

  async container(id: string): Promise<Container> {
    const database = this.#client?.database("d");
    const definition = { id, partitionKey: { paths: ["/pk"] }, defaultTtl: -1 };
    const made = await database?.containers.createIfNotExists(definition);
    if (made === undefined) throw new Error("not open");
    return made.container;
  }

  async crash(): Promise<void> {
    const file = this.#nextFile();
    for (const end of ["", "-wal"])
      if (existsSync(this.#file + end)) copyFileSync(this.#file + end, file + end);
    await this.close();
    await this.#open(file);
  }

  async close(): Promise<void> {
    this.#client?.dispose();
    await this.#cosmos?.close();
  }
}

const only = (op: Extract<Operation, { n: number; id: string }>) => ({
  ...{ id: op.id, pk: op.pk, n: op.n },
  ...("ttl" in op ? { ttl: op.ttl } : {}),
});

class Run {
  readonly model = new ContainerModel();
  readonly #name: string;
  #items: Container;
  /** Etags by item: the latest. */
  readonly #etags = new Map<string, string>();

  constructor(name: string, items: Container) {
    this.#name = name;
    this.#items = items;
  }

  async end(): Promise<void> {
    await this.#items.delete();
  }

  async step(op: Operation): Promise<void> {
    switch (op.kind) {
      case "wait":
        emulator.clock.advance(op.seconds * 1_000);
        this.model.now += op.seconds;
        return;
      case "crash":
        await emulator.crash();
        this.#items = await emulator.container(this.#name);
        return;
      case "query": {
        const query = {
          query: `SELECT VALUE c.pk || c.id || ToString(c.n) FROM c WHERE c.n >= @n ORDER BY c.n ${op.descending ? "DESC" : "ASC"}`,
          parameters: [{ name: "@n", value: op.least }],
        };
        const options = { maxItemCount: 2, ...(op.pk === undefined ? {} : { partitionKey: op.pk }) };
        const { resources } = await this.#items.items.query(query, options).fetchAll();
        expect(resources).toEqual(this.model.query(op.pk, op.least, op.descending));
        return;
      }
      case "feed": {
        const start = ChangeFeedStartFrom.Beginning();
        const feed = this.#items.items.getChangeFeedIterator<{ id: string; pk: string; n: number }>({
          changeFeedStartFrom: start,
        });
        const page = await feed.readNext();
        const found = page.statusCode === 304 ? [] : page.result;
        expect(found.map(({ id, pk, n }) => `${pk}${id}${n}`)).toEqual(this.model.feed());
        return;
      }
      case "batch": {
        const parts = op.parts.map((part) => ({ ...part, pk: op.pk }) as BatchPart);
        // An etag named in a batch is the one from before it: once a part has changed the item, it is an old one.
        const changed = new Set<string>();
        const told = parts.map((part) => {
          const stale = "match" in part && part.match === "current" && changed.has(part.id);
          if (part.kind !== "read") changed.add(part.id);
          return stale ? ({ ...part, match: "old" } as BatchPart) : part;
        });
        const inputs = parts.map((part) => this.#input(part));
        const answer = await this.#items.items.batch(inputs, op.pk);
        expect(answer.result?.map(({ statusCode }) => statusCode)).toEqual(this.model.batch(told));
        await this.#look(
          parts.map(({ id }) => id),
          op.pk,
        );
        return;
      }
      default:
        expect(await statusOf(this.#single(op))).toBe(this.model.apply(op));
        await this.#look([op.id], op.pk);
    }
  }

  /** Compares items with the model's, and keeps their etags. */
  async #look(ids: readonly string[], pk: string): Promise<void> {
    for (const id of new Set(ids)) {
      const { resource } = await this.#items.item(id, pk).read<{ n: number; ttl?: number; _etag: string }>();
      const expected = this.model.find(pk, id);
      expect(resource === undefined ? undefined : [resource.n, resource.ttl]).toEqual(
        expected === undefined ? undefined : [expected.n, expected.ttl],
      );
      if (resource === undefined) this.#etags.delete(`${pk}/${id}`);
      else this.#etags.set(`${pk}/${id}`, resource._etag);
    }
  }

  #etag(op: { id: string; pk: string; match: Match }): string | undefined {
    if (op.match === "none") return undefined;
    return op.match === "old" ? '"0000-000000000000"' : (this.#etags.get(`${op.pk}/${op.id}`) ?? '"none"');
  }

  #single(op: Extract<Operation, { id: string }>): Promise<{ statusCode?: number | undefined }> {
    const items = this.#items;
    const condition = "match" in op ? this.#etag(op) : undefined;
    const options = condition === undefined ? {} : { accessCondition: { type: "IfMatch", condition } };
    switch (op.kind) {
      case "create":
        return items.items.create(only(op));
      case "upsert":
        return items.items.upsert(only(op));
      case "replace":
        return items.item(op.id, op.pk).replace(only(op), options);
      case "delete":
        return items.item(op.id, op.pk).delete(options);
      case "read":
        return items.item(op.id, op.pk).read();
      case "patch":
        return items.item(op.id, op.pk).patch({
          condition: `FROM c WHERE c.n < ${op.below}`,
          operations: [{ op: "incr", path: "/n", value: op.n }],
        });
    }
  }

  #input(op: BatchPart): OperationInput {
    const ifMatch = "match" in op ? this.#etag(op) : undefined;
    const more = ifMatch === undefined ? {} : { ifMatch };
    switch (op.kind) {
      case "create":
        return { operationType: "Create", resourceBody: only(op) };
      case "upsert":
        return { operationType: "Upsert", resourceBody: only(op) };
      case "replace":
        return { operationType: "Replace", id: op.id, resourceBody: only(op), ...more };
      case "delete":
        return { operationType: "Delete", id: op.id, ...more };
      case "read":
        return { operationType: "Read", id: op.id };
    }
  }
}

it(`a container does what its model does (${RUNS} runs of ${OPERATIONS} operations, crashes between)`, {
  timeout: RUNS * 10_000,
}, async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: OPERATIONS, maxLength: OPERATIONS }),
      async (operations) => {
        if (runs > 0 && runs % RUNS_A_STORE === 0) await emulator.openNew();
        const name = `c${++runs}`;
        const run = new Run(name, await emulator.container(name));
        for (const op of operations) await run.step(op);
        await run.end();
      },
    ),
    {
      numRuns: RUNS,
      endOnFailure: !LONG,
      ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }),
    },
  );
});
