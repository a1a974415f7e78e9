import { badRequest } from "./cosmos-error.ts";

/** One component of a partition key; an absent property is `{}`, as the wire has it. */
export type KeyPart = string | number | boolean | null | Record<string, never>;

/** The names of the properties that lead to a component. */
export type KeyPath = readonly string[];

/** A stored key: each component's JSON, one after the other, so that a prefix of components is a prefix of the text. */
export function keyText(parts: readonly KeyPart[]): string {
  return parts.map((part) => `${JSON.stringify(part)}\u0001`).join("");
}

/** The components of a stored key. */
export function keyOfText(text: string): KeyPart[] {
  return text
    .split("\u0001")
    .slice(0, -1)
    .map((part) => JSON.parse(part) as KeyPart);
}

/** Azure's limit of each component's value. */
const MAX_PART_BYTES = 2_048;

/** The key a request names in `x-ms-documentdb-partitionkey`. */
export function keyOfHeader(header: string | undefined): KeyPart[] | undefined {
  if (header === undefined) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(header);
  } catch {
    throw badRequest("The partition key header is not valid JSON.");
  }
  if (!Array.isArray(parts)) throw badRequest("The partition key header is not an array.");
  return parts as KeyPart[];
}

/** The key an item's own properties give. */
export function keyOfItem(item: Record<string, unknown>, paths: readonly KeyPath[]): KeyPart[] {
  return paths.map((names) => {
    let value: unknown = item;
    for (const name of names) {
      value =
        typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
    }
    if (
      value === null ||
      typeof value === "string" ||
      typeof value === "number" ||
      typeof value === "boolean"
    )
      return value;
    // Nor is an object or an array a key: such an item is kept with those that lack the property, as in the service.
    return {};
  });
}

/** @throws CosmosError 400 with sub-status 1001 when header and item do not agree */
export function agreedKey(
  header: readonly KeyPart[] | undefined,
  item: Record<string, unknown>,
  paths: readonly KeyPath[],
): string {
  const parts = keyOfItem(item, paths);
  for (const part of parts) {
    if (
      typeof part === "string" &&
      part.length > MAX_PART_BYTES / 4 &&
      Buffer.byteLength(part) > MAX_PART_BYTES
    )
      throw badRequest(`A partition key value is at most ${MAX_PART_BYTES} bytes.`);
  }
  const own = keyText(parts);
  if (header !== undefined && keyText(header) !== own) {
    throw badRequest(
      "PartitionKey extracted from document doesn't match the one specified in the header.",
      1001,
    );
  }
  return own;
}
