import { badRequest } from "./cosmos-error.ts";
import { isPropertyPath } from "./property-path.ts";

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
  readonly geospatialConfig?: { readonly type?: string };
  readonly conflictResolutionPolicy?: object;
  readonly uniqueKeyPolicy?: { readonly uniqueKeys?: readonly { readonly paths: readonly string[] }[] };
}

type BoundingBox = Readonly<Partial<Record<"xmin" | "ymin" | "xmax" | "ymax", unknown>>>;

export interface IndexingPolicy {
  readonly indexingMode?: string;
  readonly automatic?: boolean;
  readonly includedPaths?: readonly { readonly path: string }[];
  readonly excludedPaths?: readonly { readonly path: string }[];
  readonly compositeIndexes?: readonly (readonly { readonly path: string; readonly order?: string }[])[];
  readonly spatialIndexes?: readonly { readonly path: string; readonly boundingBox?: BoundingBox | null }[];
}

const MAX_NAME_CHARS = 255;
const MAX_TTL_SECONDS = 2_147_483_647;
const MAX_KEY_PATHS = 3;

/** Settings that this emulator does not implement: a container that asks for one is refused. */
const NOT_SERVED = [
  "vectorEmbeddingPolicy",
  "fullTextPolicy",
  "computedProperties",
  "clientEncryptionPolicy",
  "changeFeedPolicy",
  "materializedViewDefinition",
];
const INDEXES_NOT_SERVED = ["vectorIndexes", "fullTextIndexes"];

/** @throws CosmosError 400 for a name that no database or container can have */
export function checkName(id: unknown, what: string): asserts id is string {
  if (typeof id !== "string" || id === "") throw badRequest(`A ${what} needs an id.`);
  if (id.length > MAX_NAME_CHARS || /[/\\?#]/.test(id) || id.endsWith(" "))
    throw badRequest(`The id of a ${what} is at most ${MAX_NAME_CHARS} characters, none of them / \\ ? #.`);
}

/** @throws CosmosError 400 */
export function containerDefinition(json: Record<string, unknown>): ContainerDefinition {
  const { id, partitionKey, defaultTtl, indexingPolicy, uniqueKeyPolicy, geospatialConfig } =
    json as Partial<ContainerDefinition>;
  checkName(id, "container");
  refuseAny(json, NOT_SERVED);
  checkKey(partitionKey);
  if (
    defaultTtl !== undefined &&
    defaultTtl !== null &&
    !(defaultTtl === -1 || (Number.isInteger(defaultTtl) && defaultTtl > 0 && defaultTtl <= MAX_TTL_SECONDS))
  )
    throw badRequest("defaultTtl must be -1 or a positive whole number of seconds.");
  if (indexingPolicy !== undefined) {
    checkIndexing(indexingPolicy);
    checkComposites(indexingPolicy);
    checkBoxes(indexingPolicy, geospatialConfig?.type ?? "Geography");
  }
  for (const { paths } of uniqueKeyPolicy?.uniqueKeys ?? []) checkPaths(paths, "A unique key");
  return json as unknown as ContainerDefinition;
}

function refuseAny(settings: object, names: readonly string[]): void {
  for (const [name, value] of Object.entries(settings)) {
    const isEmpty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (names.includes(name) && !isEmpty) throw badRequest(`${name} is not served by this emulator.`);
  }
}

function checkKey(key: ContainerDefinition["partitionKey"] | undefined): void {
  const paths = key?.paths;
  checkPaths(paths, "A partition key");
  const kind = key?.kind ?? "Hash";
  if (kind !== "Hash" && kind !== "MultiHash")
    throw badRequest(`The partition key kind ${kind} is not known.`);
  if (paths.length > MAX_KEY_PATHS || (kind === "Hash" && paths.length > 1))
    throw badRequest("A partition key has one path; with kind MultiHash and version 2, up to 3.");
}

function checkPaths(paths: unknown, what: string): asserts paths is string[] {
  if (!Array.isArray(paths) || paths.length === 0) throw badRequest(`${what} needs paths such as /name.`);
  const wrong = paths.find((path) => !isPropertyPath(path));
  if (wrong !== undefined)
    throw badRequest(
      `${what} cannot have the path '${wrong}': a path has letters, digits and underscores, or a name in quotes, and neither wildcards nor a slash at its end.`,
    );
}

function checkIndexing(policy: IndexingPolicy): void {
  refuseAny(policy, INDEXES_NOT_SERVED);
  const { indexingMode = "consistent", automatic = true, includedPaths, excludedPaths } = policy;
  const mode = indexingMode.toLowerCase();
  if (mode !== "consistent" && mode !== "none")
    throw badRequest(`The indexing mode ${indexingMode} is not served.`);
  if (mode === "consistent" && !automatic)
    throw badRequest("An indexing policy with automatic: false is not served by this emulator.");
  if (mode === "none" || (includedPaths === undefined && excludedPaths === undefined)) return;
  const all = [...(includedPaths ?? []), ...(excludedPaths ?? [])].map(({ path }) => path);
  if (includedPaths !== undefined && includedPaths.length > 0 && !all.includes("/*") && !all.includes("/"))
    throw badRequest(
      "The special mandatory indexing path '/*' is not provided in any of the path type sets.",
    );
}

const ORDERS = ["ascending", "descending"];

function checkComposites({ compositeIndexes = [] }: IndexingPolicy): void {
  for (const { path, order = "ascending" } of compositeIndexes.flat()) {
    if (!isPropertyPath(path.replace(/\/\?$/, "")))
      throw badRequest(`A composite index cannot have the path '${path}'.`);
    if (!ORDERS.includes(order))
      throw badRequest(
        `The order '${order}' of a composite index is not known: ${ORDERS.join(" and ")} are.`,
      );
  }
}

/** Points on a plane need a box that bounds them; those on the globe have none. */
function checkBoxes({ spatialIndexes = [] }: IndexingPolicy, type: string): void {
  if (type !== "Geography" && type !== "Geometry")
    throw badRequest(`The geospatial type '${type}' is not known: Geography and Geometry are.`);
  for (const { path, boundingBox: box } of spatialIndexes) {
    if (type === "Geography" && box !== undefined && box !== null)
      throw badRequest(`The spatial index of ${path} has a bounding box, which only the type Geometry has.`);
    if (type === "Geometry" && !isBox(box))
      throw badRequest(`The spatial index of ${path} needs a bounding box with xmin < xmax and ymin < ymax.`);
  }
}

function isBox(box: BoundingBox | null | undefined): boolean {
  const { xmin, ymin, xmax, ymax } = box ?? {};
  const sides = [xmin, ymin, xmax, ymax];
  if (!sides.every((side) => typeof side === "number")) return false;
  return Number(xmin) < Number(xmax) && Number(ymin) < Number(ymax);
}
