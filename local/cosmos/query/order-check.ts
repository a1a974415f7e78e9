import { badRequest } from "../cosmos-error.ts";
import type { IndexPlan } from "../index-plan.ts";
import type { Query } from "./ast.ts";
import { itemPath } from "./narrow.ts";
import { selected } from "./prepare.ts";

/**
 * As Azure does: ORDER BY takes paths of the item that are indexed, and several of them only where a composite index
 * fits. @throws CosmosError 400
 */
export function checkOrder(query: Query, indexes: IndexPlan): void {
  if (query.orderBy.length === 0) return;
  const order = query.orderBy.map(({ by, descending }) => ({ path: itemPath(query, by), by, descending }));
  const parts = order.map(({ path, descending }) => {
    if (path === undefined || path === "") {
      throw badRequest(
        "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.",
      );
    }
    return { path, descending };
  });
  const [first] = parts;
  if (parts.length === 1 && first !== undefined && !indexes.isIndexed(first.path))
    throw badRequest("The index path corresponding to the specified order-by item is excluded.");
  if (parts.length > 1 && indexes.compositeFor(parts) === undefined) {
    throw badRequest(
      "The order by query does not have a corresponding composite index that it can be served from.",
    );
  }
  const given = query.select.kind === "all" ? undefined : selected(query).map((each) => JSON.stringify(each));
  if (query.distinct && given !== undefined && order.some(({ by }) => !given.includes(JSON.stringify(by))))
    throw badRequest("DISTINCT with ORDER BY of what is not selected is not served by this emulator.");
}

/** Items without the property are found by ORDER BY only where the policy names its path. */
export function needsDefined(query: Query, indexes: IndexPlan): boolean {
  const [only, second] = query.orderBy;
  if (only === undefined || second !== undefined) return false;
  return !indexes.isNamed(itemPath(query, only.by) ?? "");
}
