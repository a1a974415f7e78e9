import { CosmosError } from "./cosmos-error.ts";

/** What a request is about, read from its path: `/dbs/{db}/colls/{container}/docs/{item}` and its beginnings. */
export interface Route {
  readonly verb: string;
  readonly resourceType: string;
  /** What is signed: an item's own path, a feed's parent. */
  readonly resourceLink: string;
  readonly database: string | undefined;
  readonly container: string | undefined;
  readonly item: string | undefined;
  readonly kind:
    | "account"
    | "databases"
    | "database"
    | "containers"
    | "container"
    | "ranges"
    | "purge"
    | "items"
    | "item"
    | "offers";
}

/** Azure has these; a request for one is refused by name. */
const NOT_SERVED: ReadonlyMap<string, string> = new Map([
  ["sprocs", "Stored procedures"],
  ["triggers", "Triggers"],
  ["udfs", "User-defined functions"],
  ["users", "Users and their permissions"],
  ["conflicts", "Conflict feeds"],
  ["clientencryptionkeys", "Client encryption keys"],
  ["operations", "Such operations"],
  ["addresses", "Addresses of replicas, for direct mode,"],
]);

/** An item's id may hold a `?`, which the SDK sends as it is: behind it, no request has a query string. */
const ITEM = /^\/+dbs\/[^/?]+\/colls\/[^/?]+\/docs\/./;

const COLLECTIONS = ["dbs", "colls", "docs"];

/** @throws CosmosError 404 for a path that does not belong to Cosmos DB */
export function routeOf(method: string, url: string): Route {
  const end = ITEM.test(url) ? -1 : url.indexOf("?");
  const path = (end < 0 ? url : url.slice(0, end)).replace(/^\/+|\/+$/g, "");
  const verb = method.toLowerCase();
  const base = { verb, database: undefined, container: undefined, item: undefined };
  if (path === "") return { ...base, resourceType: "", resourceLink: "", kind: "account" };
  const parts = path.split("/").map(decodePart);
  if (parts[0] === "offers") {
    return {
      ...base,
      item: parts[1],
      resourceType: "offers",
      resourceLink: parts.length > 1 ? (parts[1] ?? "").toLowerCase() : "",
      kind: "offers",
    };
  }
  const names = parts.filter((_, at) => at % 2 === 0);
  const [database, container, item] = parts.filter((_, at) => at % 2 === 1);
  if (parts.length === 6 && parts[4] === "operations" && parts[5] === "partitionkeydelete") {
    // Signed as the container it is about.
    const resourceLink = parts.slice(0, 4).join("/");
    return { verb, resourceType: "colls", resourceLink, database, container, item: undefined, kind: "purge" };
  }
  const ranges = names.length === 3 && names[2] === "pkranges";
  if (!names.every((name, at) => name === COLLECTIONS[at] || (ranges && at === 2))) {
    const name = names.find((each, at) => each !== COLLECTIONS[at]) ?? "";
    if (NOT_SERVED.has(name))
      throw new CosmosError(400, `${NOT_SERVED.get(name)} are not served by this emulator.`);
    throw new CosmosError(404, `There is nothing at /${path} in this emulator.`);
  }
  const feed = parts.length % 2 === 1;
  const resourceLink = parts.slice(0, feed ? -1 : undefined).join("/");
  const resourceType = names.at(-1) ?? "";
  const single = (["database", "container", "item"] as const)[names.length - 1] as Route["kind"];
  const many = (["databases", "containers", "items"] as const)[names.length - 1] as Route["kind"];
  return {
    verb,
    resourceType,
    resourceLink,
    database,
    container,
    item,
    kind: ranges ? "ranges" : feed ? many : single,
  };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new CosmosError(400, "The path is not valid.");
  }
}
