import { badRequest } from "./cosmos-error.ts";

/** Cosmos DB's own binary form of JSON begins with it; no text does. */
const MARK = 0x80;

/** @throws CosmosError 400 for an item that is not in text */
export function refuseBinaryJson(bytes: Buffer): void {
  if (bytes[0] === MARK) throw badRequest("Items in binary JSON are not served by this emulator.");
}
