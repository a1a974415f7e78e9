/** Databases and containers that are made at the start: `cosmos` of infra/resources.json. */
export interface CosmosResources {
  readonly database: string;
  readonly consistency: string;
  readonly containers: readonly ContainerResource[];
}

export interface ContainerResource {
  readonly name: string;
  readonly partition_key: readonly string[];
  /** -1: items live for ever unless they say otherwise; null: `ttl` of items is ignored. */
  readonly default_ttl_seconds: number | null;
  readonly indexing: {
    readonly included: readonly string[];
    readonly excluded: readonly string[];
    readonly composite: readonly (readonly { readonly path: string; readonly order: string }[])[];
  };
}

const TOP = ["database", "consistency", "containers"];
const CONTAINER = ["name", "partition_key", "default_ttl_seconds", "indexing"];
const INDEXING = ["included", "excluded", "composite"];

/** @throws RangeError naming every setting it does not know */
export function cosmosResources(json: unknown): CosmosResources {
  const cosmos = (json as { cosmos?: unknown }).cosmos as CosmosResources;
  const faults = unknownKeys("cosmos", cosmos, TOP);
  for (const container of cosmos.containers ?? []) {
    const at = `cosmos.containers.${container.name}`;
    faults.push(
      ...unknownKeys(at, container, CONTAINER),
      ...unknownKeys(`${at}.indexing`, container.indexing, INDEXING),
    );
  }
  if (faults.length > 0) throw new RangeError(`infra/resources.json: ${faults.join("; ")}`);
  return cosmos;
}

function unknownKeys(at: string, value: object, known: readonly string[]): string[] {
  if (typeof value !== "object" || value === null) return [`${at} is missing`];
  const missing = known.filter((key) => !(key in value)).map((key) => `${at}.${key} is missing`);
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  return [...missing, ...unknown.map((key) => `${at}.${key} is not a setting this emulator knows`)];
}
