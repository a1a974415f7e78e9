import { readFileSync } from "node:fs";
import { CosmosClient } from "@azure/cosmos";
import { expect, it } from "vitest";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../../local/cosmos/resources.ts";
import { startCosmos } from "../../../local/cosmos/server.ts";
import { createCosmos } from "../../../tools/containers/create-cosmos.ts";

const resources = cosmosResources(JSON.parse(readFileSync("infra/resources.json", "utf8")));

it("makes the containers as infra/resources.json has them, and leaves those that are there", async () => {
  const server = await startCosmos({
    port: 0,
    databaseFile: ":memory:",
    resources: { database: "another", consistency: "Strong", containers: [] },
    log: () => undefined,
  });
  const client = new CosmosClient(
    `AccountEndpoint=http://127.0.0.1:${server.port}/;AccountKey=${EMULATOR_KEY};`,
  );
  try {
    const names = resources.containers.map(({ name }) => name);
    const said = await createCosmos(client, resources);
    expect(said).toEqual(names.map((name) => `switchyard/${name}: made`));
    for (const container of resources.containers) {
      const { resource } = await client.database("switchyard").container(container.name).read();
      expect(resource).toMatchObject({
        partitionKey: {
          paths: container.partition_key,
          kind: container.partition_key.length > 1 ? "MultiHash" : "Hash",
        },
        defaultTtl: container.default_ttl_seconds,
        indexingPolicy: { compositeIndexes: container.indexing.composite },
      });
    }
    expect(await createCosmos(client, resources)).toEqual(
      names.map((name) => `switchyard/${name}: was there`),
    );
  } finally {
    client.dispose();
    await server.close();
  }
});
