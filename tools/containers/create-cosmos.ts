import type { ContainerRequest, CosmosClient } from "@azure/cosmos";
import type { ContainerResource, CosmosResources } from "../../local/cosmos/resources.ts";

/**
 * Makes the database and containers of infra/resources.json where they are missing; what is there stays as it is.
 * For the official emulator: the app creates nothing, and on Azure infrastructure code does it.
 */
export async function createCosmos(client: CosmosClient, resources: CosmosResources): Promise<string[]> {
  const { database } = await client.databases.createIfNotExists({ id: resources.database });
  const made: string[] = [];
  for (const container of resources.containers) {
    const { statusCode } = await database.containers.createIfNotExists(requestOf(container));
    made.push(`${resources.database}/${container.name}: ${statusCode === 201 ? "made" : "was there"}`);
  }
  return made;
}

function requestOf({
  name,
  partition_key,
  default_ttl_seconds,
  indexing,
}: ContainerResource): ContainerRequest {
  const paths = [...partition_key];
  return {
    id: name,
    // Several levels are a hierarchical key, which has a kind of its own.
    partitionKey: (paths.length > 1
      ? { paths, kind: "MultiHash", version: 2 }
      : { paths, kind: "Hash", version: 2 }) as NonNullable<ContainerRequest["partitionKey"]>,
    ...(default_ttl_seconds === null ? {} : { defaultTtl: default_ttl_seconds }),
    indexingPolicy: {
      includedPaths: indexing.included.map((path) => ({ path })),
      excludedPaths: indexing.excluded.map((path) => ({ path })),
      compositeIndexes: indexing.composite.map((index) =>
        index.map(({ path, order }) => ({ path, order: order as "ascending" | "descending" })),
      ),
    },
  };
}
