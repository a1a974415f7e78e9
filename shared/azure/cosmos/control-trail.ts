import type { OperationInput } from "@azure/cosmos";
import type { ControlRecord, ControlScope } from "../../audit/control-record.ts";
import type { ControlItem, ControlTrailStore, ControlView, ControlWrite } from "../../audit/control-trail.ts";
import { STORED_VERSION } from "../../store.ts";
import {
  controlChangePlace,
  controlHeadPlace,
  controlRecordPlace,
  ITEMS,
  type Place,
  TRAIL_PREFIX,
} from "./items.ts";
import { ownFields, type StoredItems, withoutStoreFields } from "./stored-items.ts";
import { createOf, isSuperseded, itemBody, unexpected } from "./transaction.ts";

/** Control's audit trail on Cosmos DB. It is kept for ever, because operators change little. */
export class CosmosControlTrail implements ControlTrailStore {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async view(scope: ControlScope, changeId: string, itemIds: readonly string[]): Promise<ControlView> {
    const [head, made, ...items] = await Promise.all([
      this.#control.read(ITEMS.control_head, controlHeadPlace(scope)),
      this.#control.read(ITEMS.control_change, controlChangePlace(scope, changeId)),
      ...itemIds.map((id) => this.#item({ id, partition: scope })),
    ]);
    const record =
      made === undefined
        ? undefined
        : await this.#control.read(ITEMS.control_record, controlRecordPlace(scope, made.value.seq));
    if (made !== undefined && record === undefined) {
      throw new TypeError(`control/${scope}: record ${made.value.seq} of a change is gone`);
    }
    const present = items.filter((item) => item !== undefined);
    return {
      head: head && { value: { seq: head.value.seq, hash: head.value.hash }, etag: head.etag },
      made: record && controlRecordOf(record.value),
      items: new Map(present.map((item) => [item.value.id, item])),
    };
  }

  async append(
    view: ControlView,
    record: ControlRecord,
    writes: readonly ControlWrite[],
  ): Promise<"written" | "superseded"> {
    const { scope, seq, hash, change_id } = record;
    const operations: OperationInput[] = [
      this.#control.writing(ITEMS.control_head, controlHeadPlace(scope), { seq, hash }, view.head?.etag),
      this.#control.writing(ITEMS.control_record, controlRecordPlace(scope, seq), { ...record }),
      this.#control.writing(ITEMS.control_change, controlChangePlace(scope, change_id), { seq }),
      ...writes.map((write) => operationOf(scope, write)),
    ];
    const result = await this.#control.batch("control change", scope, operations);
    if (result.kind === "done") return "written";
    if (isSuperseded(result.status)) return "superseded";
    throw unexpected("control change", result.status);
  }

  async records(
    scope: ControlScope,
    page: { limit: number; beforeSeq?: number | undefined },
  ): Promise<{ records: readonly ControlRecord[]; hasMore: boolean }> {
    const head = await this.#control.read(ITEMS.control_head, controlHeadPlace(scope));
    const last = Math.min(head?.value.seq ?? 0, (page.beforeSeq ?? Infinity) - 1);
    if (last < 1) return { records: [], hasMore: false };
    const first = Math.max(1, last - page.limit + 1);
    const query = {
      where: "c.id >= @first AND c.id <= @last",
      parameters: {
        "@first": controlRecordPlace(scope, first).id,
        "@last": controlRecordPlace(scope, last).id,
      },
    };
    const { document } = ITEMS.control_record;
    const found = await this.#control.find(ITEMS.control_record, query, document, { partition: scope });
    const records = found.map(controlRecordOf).sort((a, b) => b.seq - a.seq);
    return { records, hasMore: first > 1 };
  }

  /** An item of any kind, as it is stored: the caller checks it. */
  async #item(place: Place) {
    const found = await this.#control.readRaw({ kind: "control" }, place);
    return found && { value: withoutStoreFields(found.value) as ControlItem, etag: found.etag };
  }
}

function operationOf(scope: ControlScope, write: ControlWrite): OperationInput {
  const id = write.kind === "delete" ? write.id : write.item.id;
  if (id.startsWith(TRAIL_PREFIX)) throw new TypeError(`${id}: ids of the trail are its own`);
  const condition = "etag" in write && write.etag !== undefined ? { ifMatch: write.etag } : {};
  if (write.kind === "delete") return { operationType: "Delete", id, ...condition };
  // An item that was there keeps the version it was written by.
  const resourceBody = itemBody({ v: STORED_VERSION, ...write.item, scope });
  switch (write.kind) {
    case "create":
      return createOf(resourceBody);
    case "upsert":
      return { operationType: "Upsert", resourceBody, ...condition };
    case "replace":
      return { operationType: "Replace", id, resourceBody, ...condition };
  }
}

/** The record alone, with what a neighbouring version has added to it: all that was hashed. */
export const controlRecordOf = (item: Readonly<Record<string, unknown>>): ControlRecord =>
  ownFields(item) as unknown as ControlRecord;
