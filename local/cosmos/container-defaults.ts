import type { ContainerDefinition, IndexingPolicy } from "./container-definition.ts";

/** A container as the service shows it: what its maker left out is there as well. */
export function withDefaults(definition: ContainerDefinition): ContainerDefinition {
  return {
    geospatialConfig: { type: "Geography" },
    conflictResolutionPolicy: {
      mode: "LastWriterWins",
      conflictResolutionPath: "/_ts",
      conflictResolutionProcedure: "",
    },
    ...definition,
    partitionKey: { kind: "Hash", version: 2, ...definition.partitionKey },
    indexingPolicy: indexingWithDefaults(definition.indexingPolicy ?? {}),
  };
}

const ETAG = { path: '/"_etag"/?' };

function indexingWithDefaults(policy: IndexingPolicy): IndexingPolicy {
  const { indexingMode = "consistent", includedPaths, excludedPaths } = policy;
  const mode = indexingMode.toLowerCase();
  if (mode === "none")
    return { automatic: false, ...policy, indexingMode: mode, includedPaths: [], excludedPaths: [] };
  const excluded = excludedPaths ?? [];
  // Without either list everything is indexed. A list of exclusions alone is taken as it is.
  const included = includedPaths ?? (excluded.some(({ path }) => path === "/*") ? [] : [{ path: "/*" }]);
  return {
    automatic: true,
    ...policy,
    indexingMode: mode,
    includedPaths: included,
    excludedPaths: excluded.some(({ path }) => path === ETAG.path) ? excluded : [...excluded, ETAG],
  };
}
