import { badRequest, tooLarge } from "./cosmos-error.ts";

/** Azure's limits of an item. */
export const MAX_ITEM_BYTES = 2 * 1024 * 1024;
const MAX_ID_BYTES = 1_023;
const MAX_NESTING = 128;
const MAX_TTL_SECONDS = 2_147_483_647;

/** @throws CosmosError 400, 413 */
export function checkItem(item: Record<string, unknown>, text: string): void {
  const { id, ttl } = item;
  if (typeof id !== "string" || id === "")
    throw badRequest("The input content is invalid because the required property 'id' is missing.");
  if (/[/\\#]/.test(id) || (id.length > MAX_ID_BYTES / 4 && Buffer.byteLength(id) > MAX_ID_BYTES))
    throw badRequest(`The id is over ${MAX_ID_BYTES} bytes or holds one of / \\ #.`);
  if (
    ttl !== undefined &&
    !(Number.isInteger(ttl) && (ttl === -1 || (Number(ttl) > 0 && Number(ttl) <= MAX_TTL_SECONDS)))
  )
    throw badRequest("The property ttl must be -1 or a positive whole number.");
  // A character takes at most 3 bytes, so most items need not be measured.
  if (text.length > MAX_ITEM_BYTES / 3 && Buffer.byteLength(text) > MAX_ITEM_BYTES)
    throw tooLarge("An item is at most 2 MB");
  if (text.length > 2 * MAX_NESTING && depthOver(item, MAX_NESTING))
    throw badRequest(`The item nests over ${MAX_NESTING} levels.`);
}

function depthOver(value: unknown, left: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  for (const each of Object.values(value)) if (depthOver(each, left - 1)) return true;
  return false;
}
