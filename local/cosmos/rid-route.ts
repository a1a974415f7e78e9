import { CosmosError } from "./cosmos-error.ts";
import type { Route } from "./route.ts";

/** What is known by name, and by resource id. */
export interface Names {
  hasDatabase(name: string): boolean;
  databaseOf(rid: string): string | undefined;
  containerOf(rid: string): { readonly database: string; readonly container: string } | undefined;
}

/**
 * A path may give resource ids in place of names, as the .NET SDK does when it reads partition key ranges. Such a
 * request is signed with the last of those ids alone, in lower case. A name wins over an id that reads the same.
 * @throws CosmosError 400 for an item by its resource id
 */
export function byName(route: Route, names: Names): Route {
  const { database: databaseRid, container: containerRid } = route;
  // Most requests go by name: they need no look-up.
  if (databaseRid?.endsWith("==") !== true || names.hasDatabase(databaseRid)) return route;
  const database = names.databaseOf(databaseRid);
  if (database === undefined) return route;
  if (containerRid === undefined) return { ...route, database, resourceLink: databaseRid.toLowerCase() };
  const found = names.containerOf(containerRid);
  if (found?.database !== database) return route;
  if (route.kind === "item")
    throw new CosmosError(
      400,
      "Items are found by their id here; by resource id they are not served by this emulator.",
    );
  return { ...route, ...found, resourceLink: containerRid.toLowerCase() };
}
