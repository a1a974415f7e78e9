import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import { GroupCommit, openDatabase } from "../database.ts";
import type { BatchTransaction } from "./batch.ts";
import type { ContainerDefinition } from "./container-definition.ts";
import { ContainerStore } from "./container-store.ts";
import { CosmosError, notFound } from "./cosmos-error.ts";
import { isInRange } from "./effective-key.ts";
import { IN_RANGE } from "./item-selects.ts";
import { type Offer, Offers } from "./offers.ts";
import type { RequestBudget } from "./request-budget.ts";
import { databaseRid } from "./rid.ts";

const MIGRATIONS = [
  `CREATE TABLE databases (name TEXT PRIMARY KEY) STRICT;
   CREATE TABLE containers (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     database TEXT NOT NULL REFERENCES databases (name) ON DELETE CASCADE,
     name TEXT NOT NULL,
     definition TEXT NOT NULL,
     UNIQUE (database, name)
   ) STRICT`,
  "ALTER TABLE containers ADD COLUMN reserved_lsn INTEGER NOT NULL DEFAULT 0",
  "CREATE TABLE offers (resource TEXT PRIMARY KEY, throughput INTEGER NOT NULL, autoscale INTEGER NOT NULL) STRICT",
  // A container's resource id has had its bit since; in `dbs/AAAAAQ==/colls/AAAAAYAAAAE=/` the 25th character holds it.
  `UPDATE offers SET resource = substr(resource, 1, 24)
     || CASE substr(resource, 25, 1) WHEN 'A' THEN 'I' WHEN 'Q' THEN 'Y' WHEN 'g' THEN 'o' ELSE '4' END
     || substr(resource, 26) WHERE resource LIKE 'dbs/%/colls/%'`,
];

/** All databases and containers, in one SQLite file. A table for each container. */
export class CosmosStore {
  readonly commits: GroupCommit;
  readonly offers: Offers;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #containers = new Map<string, ContainerStore>();
  readonly #databases: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  #nextExpiry: number | undefined;
  #keepHistory = false;

  /** `maxPages`: the file can grow no further, as on a full disk. */
  constructor(file: string, clock: Clock, maxPages?: number) {
    this.#db = openDatabase({ name: "Cosmos", file, migrations: MIGRATIONS });
    this.#db.exec("PRAGMA foreign_keys = ON");
    this.#db.function(IN_RANGE, { deterministic: true }, (key, from, to) =>
      Number(isInRange(String(key), String(from), String(to))),
    );
    if (maxPages !== undefined) this.#db.exec(`PRAGMA max_page_count = ${maxPages}`);
    this.#clock = clock;
    this.commits = new GroupCommit(this.#db, () => {
      for (const container of this.#containers.values()) container.rolledBack();
      this.offers.reload();
    });
    this.offers = new Offers(this.#db, clock);
    this.#databases = this.#db.prepare("SELECT name FROM databases ORDER BY name");
    this.#savepoint = this.#db.prepare("SAVEPOINT batch");
    this.#release = this.#db.prepare("RELEASE batch");
    const rows = this.#db.prepare("SELECT number, database, name, definition FROM containers").all();
    for (const row of rows)
      this.#open(String(row.database), Number(row.number), JSON.parse(String(row.definition)));
  }

  #open(database: string, number: number, definition: ContainerDefinition): ContainerStore {
    const place = { number, database: { name: database, number: this.databaseNumber(database) }, definition };
    const container = new ContainerStore(this.#db, place, this.#clock);
    container.keepHistory(this.#keepHistory);
    container.onExpiry = (at) => {
      this.#nextExpiry = Math.min(this.#nextExpiry ?? at, at);
    };
    this.#containers.set(`${database}/${definition.id}`, container);
    return container;
  }

  /** Stale reads can go back to here. */
  keepHistory(keep: boolean): void {
    this.#keepHistory = keep;
    for (const container of this.#containers.values()) container.keepHistory(keep);
  }

  databaseNumber(name: string): number {
    return Number(this.#db.prepare("SELECT rowid FROM databases WHERE name = ?").get(name)?.rowid ?? 0);
  }

  databaseSelf(name: string): string {
    return `dbs/${databaseRid(this.databaseNumber(name))}/`;
  }

  /** What requests on a container may cost: its own throughput, or its database's; undefined: anything. */
  budget(container: ContainerStore): RequestBudget | undefined {
    return this.offers.budget(container.self) ?? this.offers.budget(container.databaseSelf);
  }

  /** A container without a throughput of its own has the service's least, unless its database's is shared. */
  allOffers(): Offer[] {
    const { offers } = this;
    const without = [...this.#containers.values()].filter(
      ({ self, databaseSelf }) => !offers.has(self) && !offers.has(databaseSelf),
    );
    return [...offers.all(), ...without.map(({ self }) => offers.unlimited(self))];
  }

  /** The name of the database with this resource id. */
  databaseOf(rid: string): string | undefined {
    return this.databases().find((name) => databaseRid(this.databaseNumber(name)) === rid);
  }

  /** The names of the container with this resource id, and of its database. */
  containerOf(rid: string): { database: string; container: string } | undefined {
    for (const [place, { rid: own, definition }] of this.#containers)
      if (own === rid)
        return { database: place.slice(0, -definition.id.length - 1), container: definition.id };
    return undefined;
  }

  databases(): string[] {
    return this.#databases.all().map((row) => String(row.name));
  }

  hasDatabase(name: string): boolean {
    return this.databases().includes(name);
  }

  /** @throws CosmosError 409 */
  createDatabase(name: string): void {
    if (this.hasDatabase(name)) throw new CosmosError(409, `Database ${name} exists already.`);
    this.#db.prepare("INSERT INTO databases (name) VALUES (?)").run(name);
  }

  /** @throws CosmosError 404 */
  deleteDatabase(name: string): void {
    if (!this.hasDatabase(name)) throw notFound(`database ${name}`);
    for (const container of this.containers(name)) this.deleteContainer(name, container.definition.id);
    this.offers.remove(this.databaseSelf(name));
    this.#db.prepare("DELETE FROM databases WHERE name = ?").run(name);
  }

  containers(database: string): ContainerStore[] {
    return [...this.#containers]
      .filter(([key]) => key.startsWith(`${database}/`))
      .map(([, container]) => container);
  }

  /** @throws CosmosError 404 */
  container(database: string, name: string): ContainerStore {
    const container = this.#containers.get(`${database}/${name}`);
    if (container === undefined)
      throw new CosmosError(404, `Owner resource does not exist: ${database}/${name}`, { substatus: 1003 });
    return container;
  }

  /** @throws CosmosError 404, 409 */
  createContainer(database: string, definition: ContainerDefinition): ContainerStore {
    if (!this.hasDatabase(database)) throw notFound(`database ${database}`);
    if (this.#containers.has(`${database}/${definition.id}`)) {
      throw new CosmosError(409, `Container ${definition.id} exists already.`);
    }
    const inserted = this.#db
      .prepare("INSERT INTO containers (database, name, definition) VALUES (?, ?, ?)")
      .run(database, definition.id, JSON.stringify(definition));
    return this.#open(database, Number(inserted.lastInsertRowid), definition);
  }

  /** Keeps the items; the partition key cannot change. */
  replaceContainer(database: string, definition: ContainerDefinition): ContainerStore {
    const old = this.container(database, definition.id);
    const same =
      JSON.stringify(old.definition.partitionKey.paths) === JSON.stringify(definition.partitionKey.paths);
    if (!same) throw new CosmosError(400, "The partition key of a container cannot be changed.");
    if (uniqueKeys(old.definition) !== uniqueKeys(definition))
      throw new CosmosError(400, "The unique keys of a container cannot be changed.");
    this.#db
      .prepare("UPDATE containers SET definition = ? WHERE database = ? AND name = ?")
      .run(JSON.stringify(definition), database, definition.id);
    return this.#open(database, old.number, definition);
  }

  /** @throws CosmosError 404 */
  deleteContainer(database: string, name: string): void {
    const container = this.container(database, name);
    this.#db.exec(`DROP TABLE ${container.table}`);
    this.offers.remove(container.self);
    this.#db.prepare("DELETE FROM containers WHERE number = ?").run(container.number);
    this.#containers.delete(`${database}/${name}`);
  }

  readonly savepoint: BatchTransaction = {
    begin: (container) => {
      this.#savepoint.run();
      container.history?.begin();
    },
    commit: (container) => {
      this.#release.run();
      container.history?.commit();
    },
    rollBack: (container) => {
      container.batchRolledBack();
      // A full disk makes SQLite roll everything back on its own, the savepoint included.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK TO batch; RELEASE batch");
    },
  };

  /** The earliest expiry written since the last call. */
  takeNextExpiry(): number | undefined {
    const at = this.#nextExpiry;
    this.#nextExpiry = undefined;
    return at;
  }

  /** Removes what has expired; answers when the next item will, in Unix ms. */
  sweep(): number | undefined {
    const next = [...this.#containers.values()].map((container) => container.sweep());
    const times = next.filter((at): at is number => at !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  close(): void {
    this.commits.close();
    this.#db.close();
  }
}

const uniqueKeys = (definition: ContainerDefinition) =>
  JSON.stringify(definition.uniqueKeyPolicy?.uniqueKeys?.map(({ paths }) => paths) ?? []);
