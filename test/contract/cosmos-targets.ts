import { randomBytes } from "node:crypto";
import { type ContainerDefinition, CosmosClient, type Database } from "@azure/cosmos";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { startCosmos } from "../../local/cosmos/server.ts";

/** A database to test with; it is gone after `close`. */
export interface TestDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

export type OpenDatabase = () => Promise<TestDatabase>;

export const openLocalDatabase: OpenDatabase = async () => {
  const cosmos = await startCosmos({ port: 0, databaseFile: ":memory:" });
  const client = new CosmosClient({ endpoint: `http://127.0.0.1:${cosmos.port}/`, key: EMULATOR_KEY });
  const { database } = await client.databases.create({ id: "contract" });
  return {
    database,
    async close() {
      client.dispose();
      await cosmos.close();
    },
  };
};

export function azureDatabases(connectionString: string): OpenDatabase {
  return async () => {
    const client = new CosmosClient(connectionString);
    const { database } = await client.databases.create({ id: `contract-${randomBytes(6).toString("hex")}` });
    return {
      database,
      async close() {
        await database.delete();
        client.dispose();
      },
    };
  };
}

/** As the app's own container of jobs: hierarchical keys, few indexes, expiry. */
export const CONTAINER: ContainerDefinition = {
  id: "items",
  partitionKey: { paths: ["/tenant", "/job"], kind: "MultiHash", version: 2 } as never,
  defaultTtl: -1,
  indexingPolicy: {
    includedPaths: [{ path: "/n/?" }, { path: "/job/?" }],
    excludedPaths: [{ path: "/*" }],
    compositeIndexes: [
      [
        { path: "/n", order: "descending" },
        { path: "/job", order: "descending" },
      ],
    ],
  },
};
