import type { Weight, Work } from "./charges.ts";
import type { ContainerStore, Version, Written } from "./container-store.ts";
import type { ContainerView, StoredItem } from "./container-view.ts";
import { badRequest, CosmosError } from "./cosmos-error.ts";
import { checkItem } from "./item-limits.ts";
import { agreedKey, type KeyPart, keyText } from "./partition-key.ts";
import { applyPatch } from "./patch.ts";
import { requireOneOf } from "./query/condition.ts";

export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
}

/** One operation's result, as the wire answers it. */
export interface ItemResult {
  readonly status: number;
  readonly item?: StoredItem;
  readonly work: Work;
}

/** An item as a client sent it: parsed, and its own text if it came alone. */
export interface SentItem {
  readonly value: unknown;
  readonly text?: string;
}

/** One that may be stored, with its text. */
interface CheckedItem {
  readonly key: string;
  readonly id: string;
  readonly item: Record<string, unknown>;
  readonly text: string;
}

type Key = readonly KeyPart[] | undefined;

function checked(container: ContainerStore, header: Key, sent: SentItem): CheckedItem {
  const { value } = sent;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("An item must be a JSON object.");
  const item = value as Record<string, unknown>;
  const text = sent.text ?? JSON.stringify(item);
  checkItem(item, text);
  return { key: agreedKey(header, item, container.keyPaths), id: item.id as string, item, text };
}

/** @throws CosmosError 412 */
function requireMatch(etag: string, conditions: Conditions): void {
  if (conditions.ifMatch !== undefined && conditions.ifMatch !== "*" && conditions.ifMatch !== etag) {
    throw new CosmosError(412, "One of the specified pre-condition is not met.");
  }
}

function missing(): CosmosError {
  return new CosmosError(404, "Entity with the specified id does not exist in the system.");
}

function existing(container: ContainerView, key: string, id: string): StoredItem {
  const stored = container.read(key, id);
  if (stored === undefined) throw missing();
  return stored;
}

function existingVersion(container: ContainerStore, key: string, id: string): Version {
  const version = container.version(key, id);
  if (version === undefined) throw missing();
  return version;
}

function created({ item, weight }: Written): ItemResult {
  return { status: 201, item, work: { kind: "write", inserted: weight } };
}

function changed({ item, weight }: Written, removed: Weight, patched = 0): ItemResult {
  return { status: 200, item, work: { kind: "write", removed, inserted: weight, patched } };
}

export function createItem(container: ContainerStore, header: Key, sent: SentItem): ItemResult {
  const { key, id, item, text } = checked(container, header, sent);
  if (container.version(key, id) !== undefined) {
    throw new CosmosError(409, "Entity with the specified id already exists in the system.");
  }
  return created(container.insert(key, id, item, text));
}

export function upsertItem(
  container: ContainerStore,
  header: Key,
  sent: SentItem,
  conditions: Conditions,
): ItemResult {
  const { key, id, item, text } = checked(container, header, sent);
  const version = container.version(key, id);
  if (version === undefined) return created(container.insert(key, id, item, text));
  requireMatch(version.etag, conditions);
  return changed(container.update(key, id, item, text), version);
}

export function replaceItem(
  container: ContainerStore,
  header: Key,
  id: string,
  sent: SentItem,
  conditions: Conditions,
): ItemResult {
  const { key, id: sentId, item, text } = checked(container, header, sent);
  if (sentId !== id) throw badRequest("The id of an item cannot be changed.");
  const version = existingVersion(container, key, id);
  requireMatch(version.etag, conditions);
  return changed(container.update(key, id, item, text), version);
}

export function readItem(
  container: ContainerView,
  header: Key,
  id: string,
  conditions: Conditions,
): ItemResult {
  const stored = existing(container, fullKey(container, header), id);
  const same = conditions.ifNoneMatch === stored.etag || conditions.ifNoneMatch === "*";
  return { status: same ? 304 : 200, item: stored, work: { kind: "read", text: stored.text } };
}

export function deleteItem(
  container: ContainerStore,
  header: Key,
  id: string,
  conditions: Conditions,
): ItemResult {
  const key = fullKey(container, header);
  const version = existingVersion(container, key, id);
  requireMatch(version.etag, conditions);
  container.delete(key, id);
  return { status: 204, work: { kind: "write", removed: version } };
}

export function patchItem(
  container: ContainerStore,
  header: Key,
  id: string,
  patch: unknown,
  conditions: Conditions,
): ItemResult {
  const key = fullKey(container, header);
  const stored = existing(container, key, id);
  requireMatch(stored.etag, conditions);
  const before = JSON.parse(stored.text) as Record<string, unknown>;
  const condition = (patch as { condition?: unknown } | null)?.condition;
  if (condition !== undefined) requireOneOf(String(condition), before, container.nowMs);
  const { item, operations } = applyPatch(before, patch);
  const { key: after, text } = checked(container, header, { value: item });
  if (after !== key || item.id !== id) throw badRequest("A patch cannot change the id or the partition key.");
  const version = existingVersion(container, key, id);
  return changed(container.update(key, id, item, text), version, operations);
}

/** @throws CosmosError 400 for a key that has not all its components */
export function fullKey(container: ContainerView, header: Key): string {
  if (header === undefined || header.length !== container.keyPaths.length) {
    throw badRequest("The partition key supplied does not have all components of the container's.", 1001);
  }
  return keyText(header);
}
