import type { IncomingHttpHeaders } from "node:http";
import type { ContainerView, KeyRange, KeyScope, PartitionScope } from "./container-view.ts";
import { badRequest, CosmosError } from "./cosmos-error.ts";
import { keyOfHeader, keyText } from "./partition-key.ts";
import { header } from "./request.ts";

/** The id of the one partition key range there is. */
export const RANGE_ID = "0";

/** Headers that say which part of a container is meant, in ways this emulator cannot follow. */
const NOT_SERVED = [
  "x-ms-start-id",
  "x-ms-end-id",
  "x-ms-thinclient-range-min",
  "x-ms-thinclient-range-max",
  "x-ms-effective-partition-key",
];

/**
 * Which keys a query or a feed is about: by its partition key, the beginning of one, or a part of the hash range.
 * @throws CosmosError 400 for a part of the container that this emulator cannot tell
 */
export function scopeOf(container: ContainerView, headers: IncomingHttpHeaders): KeyScope {
  return { partition: partitionOf(container, headers), range: rangeOf(container, headers) };
}

function partitionOf(container: ContainerView, headers: IncomingHttpHeaders): PartitionScope | undefined {
  const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
  if (key === undefined) return undefined;
  if (key.length === 0) throw badRequest("The partition key supplied has no component.", 1001);
  if (key.length > container.keyPaths.length)
    throw badRequest("The partition key supplied has more components than the container's.", 1001);
  return { key: keyText(key), whole: key.length === container.keyPaths.length };
}

function rangeOf(container: ContainerView, headers: IncomingHttpHeaders): KeyRange | undefined {
  const type = header(headers, "x-ms-read-key-type") ?? "EffectivePartitionKeyRange";
  if (type.toLowerCase() !== "effectivepartitionkeyrange")
    throw badRequest(
      `The read key type '${type}' is not served by this emulator: a range of effective keys is.`,
    );
  const from = boundOf(headers, "x-ms-start-epk");
  const to = boundOf(headers, "x-ms-end-epk") || "FF";
  if (from === "" && to === "FF") return undefined;
  if (container.definition.partitionKey.version === 1)
    throw badRequest(
      "A part of the hash range of version 1 is not served by this emulator: of version 2 it is.",
    );
  return { from, to };
}

function boundOf(headers: IncomingHttpHeaders, name: string): string {
  const bound = header(headers, name) ?? "";
  if (!/^[0-9A-F]*$/i.test(bound)) throw badRequest(`The header ${name} holds no effective partition key.`);
  return bound.toUpperCase();
}

/**
 * Checks that the range and the container still exist: `0`, or `AAAAAYAAAAE=,0` as the .NET SDK sends it.
 * @throws CosmosError 400, or 410, after which an SDK looks them up again
 */
export function checkRange(container: ContainerView, headers: IncomingHttpHeaders): void {
  for (const name of NOT_SERVED)
    if (headers[name] !== undefined) throw badRequest(`The header ${name} is not served by this emulator.`);
  const text = header(headers, "x-ms-documentdb-partitionkeyrangeid");
  if (text === undefined) return;
  const [id, rid = container.rid] = text.split(",").reverse();
  if (rid !== container.rid)
    throw new CosmosError(410, "The container of this name is another one by now.", { substatus: 1000 });
  if (id !== RANGE_ID)
    throw new CosmosError(410, `There is no partition key range ${id}.`, { substatus: 1002 });
}
