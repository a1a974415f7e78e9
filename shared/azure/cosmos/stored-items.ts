import type { Container, FeedOptions, OperationInput, SqlQuerySpec } from "@azure/cosmos";
import type { z } from "zod";
import type { Log } from "../../log.ts";
import { readItem, STORED_VERSION, type Stored, UnreadableItem, type WriteResult } from "../../store.ts";
import { statusOf, storeOperation } from "./client.ts";
import type { ItemKind, Place } from "./items.ts";
import { type CountedKind, type CountQuery, countOf, type KindQuery, queryOf } from "./queries.ts";
import { createOf, isSuperseded, itemBody, type TransactionResult, transaction } from "./transaction.ts";

type PartitionKey = Place["partition"];
type Row = Readonly<Record<string, unknown>>;

/** Where a query looks: in one logical partition, in all that begin with a part of the key, or everywhere. */
export interface Where {
  readonly partition?: PartitionKey;
  readonly pageItems?: number | undefined;
}

/** What the store itself puts into an item. */
const OF_THE_STORE = ["_rid", "_self", "_etag", "_attachments", "_ts"];
const OF_EVERY_ITEM = new Set([...OF_THE_STORE, "id", "scope", "v", "kind", "ttl"]);
/** Damaged versions told of, and versions with more fields than this one knows: few at any time, if any. */
const MOST_REMEMBERED = 1_000;

/** The items of one container, by their kinds: checked as they are read, and found by queries that name their kind. */
export class StoredItems {
  readonly container: Container;
  readonly #log: Log;
  readonly #told = new Set<string>();
  /** Fields that this version does not know, by the etag they stand under: a write over that keeps them. */
  readonly #unknown = new Map<string, Row>();

  constructor(container: Container, log: Log) {
    this.container = container;
    this.#log = log;
  }

  /** @throws UnreadableItem, StoreUnavailable */
  async read<D extends z.ZodObject>(
    kind: ItemKind<D>,
    place: Place,
  ): Promise<Stored<z.infer<D>> | undefined> {
    const found = await this.readRaw(kind, place);
    if (found === undefined) return undefined;
    const value = readItem(kind, nameOf(found.value), found.value);
    this.#remember(kind, found.etag, found.value);
    return { value, etag: found.etag };
  }

  /** The same, or `unchanged` while it is still as at `etag`: that costs least. @throws UnreadableItem, StoreUnavailable */
  async readIfChanged<D extends z.ZodObject>(
    kind: ItemKind<D>,
    { id, partition }: Place,
    etag: string | undefined,
  ): Promise<Stored<z.infer<D>> | "unchanged" | undefined> {
    if (etag === undefined) return this.read(kind, { id, partition });
    const accessCondition = { type: "IfNoneMatch", condition: etag };
    const found = await storeOperation(`read ${kind.kind}`, async (abortSignal) => {
      try {
        const response = await this.container
          .item(id, partition)
          .read<Row & object>({ abortSignal, accessCondition });
        return response.statusCode === 304 ? "unchanged" : response;
      } catch (thrown) {
        if (statusOf(thrown) === 304) return "unchanged";
        throw thrown;
      }
    });
    if (found === "unchanged") return found;
    if (found.resource === undefined) return undefined;
    const value = readItem(kind, nameOf(found.resource), found.resource);
    this.#remember(kind, found.etag, found.resource);
    return { value, etag: found.etag };
  }

  /**
   * The same for items that may be begun again. One that cannot be read is logged once, and its etag allows it to be
   * overwritten. @throws StoreUnavailable
   */
  async readOrTell<D extends z.ZodObject>(
    kind: ItemKind<D>,
    place: Place,
  ): Promise<Stored<z.infer<D> | undefined> | undefined> {
    const found = await this.readRaw(kind, place);
    if (found === undefined) return undefined;
    const [value] = this.#readable(kind, kind.document, found.value);
    if (value !== undefined) this.#remember(kind, found.etag, found.value);
    return { value, etag: found.etag };
  }

  /**
   * The same by a query, whose row may hold more than the item, such as the store's own clock. It finds whatever bears an
   * id of the kind. @throws StoreUnavailable
   */
  async findOrTell<D extends z.ZodObject>(
    kind: ItemKind<D>,
    query: KindQuery,
    where: Where,
  ): Promise<{ row: Row; value: z.infer<D> | undefined }[]> {
    const { resources } = await storeOperation(`find ${kind.kind}`, (abortSignal) =>
      this.#query<Row>(queryOf(kind, { ...query, byIds: true }), where, { abortSignal }).fetchAll(),
    );
    return resources.map((row) => ({ row, value: this.#readable(kind, kind.document, row)[0] }));
  }

  /** The item as it is, whatever has become of it: for the audit's proof. @throws StoreUnavailable */
  async readRaw(
    { kind }: Pick<ItemKind, "kind">,
    { id, partition }: Place,
  ): Promise<Stored<Row> | undefined> {
    const { resource, etag } = await storeOperation(`read ${kind}`, (abortSignal) =>
      this.container.item(id, partition).read<Row & object>({ abortSignal }),
    );
    return resource === undefined ? undefined : { value: resource, etag };
  }

  /**
   * All that a query finds, or its first `top`. What cannot be read is told, once, and left out: others take its place.
   * @param row what is checked of each: the whole document, or what is selected of it
   * @throws StoreUnavailable
   */
  async find<R extends z.ZodType>(
    kind: ItemKind,
    query: KindQuery,
    row: R,
    where: Where = {},
  ): Promise<z.infer<R>[]> {
    const { top: wanted = Infinity } = query;
    for (let top = wanted; ; ) {
      const asked = top === Infinity ? query : { ...query, top };
      const page = { pageItems: top === Infinity ? undefined : top, ...where };
      const { resources } = await storeOperation(`find ${kind.kind}`, (abortSignal) =>
        this.#query<Row>(queryOf(kind, asked), page, { abortSignal }).fetchAll(),
      );
      const rows = resources.flatMap((each) => this.#readable(kind, row, each));
      if (rows.length >= wanted || resources.length < top) return rows.slice(0, wanted);
      top *= 2;
    }
  }

  /** The same a page at a time, each within an operation's time; pages without a row are passed over. */
  async *pages<R extends z.ZodType>(
    kind: ItemKind,
    query: KindQuery,
    row: R,
    where: Where = {},
  ): AsyncGenerator<z.infer<R>[]> {
    const found = this.#query<Row>(queryOf(kind, query), where);
    while (found.hasMoreResults()) {
      const page = await storeOperation(`walk ${kind.kind}`, () => found.fetchNext());
      // The SDK answers undefined for a page without items.
      const rows = (page.resources ?? []).flatMap((each) => this.#readable(kind, row, each));
      if (rows.length > 0) yield rows;
    }
  }

  async count(kind: CountedKind, query: CountQuery = {}, where: Where = {}): Promise<number> {
    const { resources } = await storeOperation(`count ${kind.kind}`, (abortSignal) =>
      this.#query<number>(countOf(kind, query), where, { abortSignal }).fetchAll(),
    );
    return resources.reduce((sum, each) => sum + each, 0);
  }

  #query<T>(query: SqlQuerySpec, { partition, pageItems }: Where, options: FeedOptions = {}) {
    return this.container.items.query<T>(query, {
      ...options,
      ...(partition === undefined ? {} : { partitionKey: partition }),
      ...(pageItems === undefined ? {} : { maxItemCount: pageItems }),
    });
  }

  #readable<R extends z.ZodType>(kind: ItemKind, row: R, item: Row): z.infer<R>[] {
    return this.readable(() => readItem({ kind: kind.kind, document: row }, nameOf(item), item));
  }

  /** What `read` makes of an item; nothing where it cannot be read, which is told, once. */
  readable<T>(read: () => T): T[] {
    try {
      return [read()];
    } catch (thrown) {
      if (!(thrown instanceof UnreadableItem)) throw thrown;
      this.#tell(thrown);
      return [];
    }
  }

  /** Once for each process. */
  #tell({ kind, id, fault }: UnreadableItem): void {
    const name = `${kind} ${id} ${fault}`;
    if (this.#told.has(name)) return;
    if (this.#told.size >= MOST_REMEMBERED) this.#told.clear();
    this.#told.add(name);
    this.#log.error("item_unreadable", { kind, id, fault });
  }

  /** Replaces the version of that etag; without one makes the item, where there is none. */
  async write(kind: ItemKind, place: Place, fields: Row, etag: string | undefined): Promise<WriteResult> {
    const item = this.#itemOf(kind, place, fields, etag);
    return storeOperation(`write ${kind.kind}`, async (abortSignal) => {
      try {
        const written =
          etag === undefined
            ? await this.container.items.create(item, { abortSignal })
            : await this.container.item(place.id, place.partition).replace(item, {
                abortSignal,
                accessCondition: { type: "IfMatch", condition: etag },
              });
        this.#carryOver(etag, written.etag);
        return { kind: "written", etag: written.etag };
      } catch (thrown) {
        const status = statusOf(thrown);
        if (status !== undefined && isSuperseded(status)) return { kind: "superseded" };
        throw thrown;
      }
    });
  }

  /** In the place of whatever is there. */
  async put(kind: ItemKind, place: Place, fields: Row): Promise<void> {
    const item = this.#itemOf(kind, place, fields);
    await storeOperation(`put ${kind.kind}`, (abortSignal) =>
      this.container.items.upsert(item, { abortSignal }),
    );
  }

  /** A second time is no error. @throws StoreUnavailable */
  async remove({ kind }: Pick<ItemKind, "kind">, { id, partition }: Place): Promise<void> {
    await storeOperation(`remove ${kind}`, async (abortSignal) => {
      try {
        await this.container.item(id, partition).delete({ abortSignal });
      } catch (thrown) {
        if (statusOf(thrown) !== 404) throw thrown;
      }
    });
  }

  /** The same as `write`, as an operation of a batch. */
  writing(kind: ItemKind, place: Place, fields: Row, etag?: string): OperationInput {
    const item = this.#itemOf(kind, place, fields, etag);
    return etag === undefined
      ? createOf(item)
      : { operationType: "Replace", id: place.id, ifMatch: etag, resourceBody: itemBody(item) };
  }

  /** The same as `put`, as an operation of a batch. */
  putting(kind: ItemKind, place: Place, fields: Row): OperationInput {
    return { operationType: "Upsert", resourceBody: itemBody(this.#itemOf(kind, place, fields)) };
  }

  /** One transactional batch of writes. */
  async batch(
    what: string,
    partition: PartitionKey,
    operations: OperationInput[],
  ): Promise<TransactionResult> {
    const result = await transaction(what, this.container, partition, operations, false);
    if (result.kind === "done")
      for (const [at, operation] of operations.entries())
        if ("ifMatch" in operation) this.#carryOver(operation.ifMatch, result.responses[at]?.eTag);
    return result;
  }

  #itemOf(kind: ItemKind, { id, partition }: Place, fields: Row, etag?: string): Row {
    const kept = etag === undefined ? undefined : this.#unknown.get(etag);
    return {
      ...{ id, ...(typeof partition === "string" ? { scope: partition } : {}) },
      ...{ v: STORED_VERSION, kind: kind.kind, ...fields, ...kept },
      ...(kind.ttlSeconds === undefined ? {} : { ttl: kind.ttlSeconds }),
    };
  }

  #remember({ document }: ItemKind, etag: string, item: Row): void {
    const unknown = Object.entries(item).filter(
      ([name]) => !OF_EVERY_ITEM.has(name) && !(name in document.shape),
    );
    // A changed item keeps the version it was written by.
    if (item.v !== STORED_VERSION) unknown.push(["v", item.v]);
    if (unknown.length === 0) return;
    for (const oldest of this.#unknown.keys()) {
      if (this.#unknown.size < MOST_REMEMBERED) break;
      this.#unknown.delete(oldest);
    }
    this.#unknown.set(etag, Object.fromEntries(unknown));
  }

  /** One version has followed another. */
  #carryOver(from = "", to: string | undefined): void {
    const unknown = this.#unknown.get(from);
    if (unknown === undefined || to === undefined) return;
    this.#unknown.delete(from);
    this.#unknown.set(to, unknown);
  }
}

const without = (item: Row, names: readonly string[]): Row =>
  Object.fromEntries(Object.entries(item).filter(([name]) => !names.includes(name)));

/** As it was written. */
export const withoutStoreFields = (item: Row): Row => without(item, OF_THE_STORE);

/** What was hashed: without what adapter and store have added. */
export const ownFields = (item: Row, ...added: readonly string[]): Row =>
  without(item, [...OF_THE_STORE, "id", "v", "kind", "ttl", ...added]);

/** Where an item is, for a log: its partition and id, or the parts of them that it has. */
export function nameOf({ scope, tenant_id, job_id, id }: Row): string {
  return [scope, tenant_id, job_id, id].filter((part) => typeof part === "string").join("/");
}
