import { badRequest } from "./cosmos-error.ts";

/** What a client says of a container when it makes one; kept as it came. */
export interface ContainerDefinition {
  readonly id: string;
  readonly partitionKey: {
    readonly paths: readonly string[];
    readonly kind?: string;
    readonly version?: number;
  };
  readonly defaultTtl?: number;
  readonly indexingPolicy?: IndexingPolicy;
}

export interface IndexingPolicy {
  readonly indexingMode?: string;
  readonly includedPaths?: readonly { readonly path: string }[];
  readonly excludedPaths?: readonly { readonly path: string }[];
  readonly compositeIndexes?: readonly (readonly { readonly path: string; readonly order?: string }[])[];
}

/** @throws CosmosError 400 */
export function containerDefinition(json: Record<string, unknown>): ContainerDefinition {
  const { id, partitionKey } = json as { id?: unknown; partitionKey?: { paths?: unknown } };
  if (typeof id !== "string" || id === "") throw badRequest("A container needs an id.");
  const paths = partitionKey?.paths;
  if (!Array.isArray(paths) || paths.length === 0 || paths.length > 3)
    throw badRequest("A container needs a partition key of 1 to 3 paths.");
  return json as unknown as ContainerDefinition;
}
