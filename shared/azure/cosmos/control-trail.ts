import type { Container, OperationInput, SqlQuerySpec } from "@azure/cosmos";
import type { ChainHead, ControlRecord, ControlScope } from "../../audit/control-record.ts";
import type { ControlItem, ControlTrailStore, ControlView, ControlWrite } from "../../audit/control-trail.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Stored } from "../../store.ts";
import { STORED_VERSION } from "../../store.ts";
import { storeOperation } from "./client.ts";
import { createOf, isSuperseded, itemBody, transaction, unexpected } from "./transaction.ts";

/** Item ids of a scope's trail. A number of 9 digits: ids sort as their records do, for a thousand years of changes. */
const TRAIL_PREFIX = "audit-";
export const CONTROL_HEAD_ID = "audit-head";
export const controlRecordId = (seq: number) => `audit-${String(seq).padStart(9, "0")}`;
/** Any text may name a change, so its item is named by the text's hash. */
const changeItemId = (changeId: string) => `audit-change-${sha256Hex(changeId)}`;

/** Control's audit trail on Cosmos DB: kept for ever, for an operator's changes are few. */
export class CosmosControlTrail implements ControlTrailStore {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async view(scope: ControlScope, changeId: string, itemIds: readonly string[]): Promise<ControlView> {
    const [head, made, ...items] = await Promise.all([
      this.#read<ChainHead>(scope, CONTROL_HEAD_ID),
      this.#read<{ seq: number }>(scope, changeItemId(changeId)),
      ...itemIds.map((id) => this.#read<ControlItem>(scope, id)),
    ]);
    const record =
      made === undefined
        ? undefined
        : await this.#read<ControlRecord>(scope, controlRecordId(made.value.seq));
    if (made !== undefined && record === undefined) {
      throw new TypeError(`control/${scope}: record ${made.value.seq} of a change is gone`);
    }
    const present = items.filter((item) => item !== undefined);
    return {
      head:
        head === undefined
          ? undefined
          : { value: { seq: head.value.seq, hash: head.value.hash }, etag: head.etag },
      made: record === undefined ? undefined : controlRecordOf(record.value),
      items: new Map(present.map((item) => [item.value.id, item])),
    };
  }

  async append(
    view: ControlView,
    record: ControlRecord,
    writes: readonly ControlWrite[],
  ): Promise<"written" | "superseded"> {
    const { scope, seq, hash } = record;
    const item = (fields: object) => ({ scope, v: STORED_VERSION, ...fields });
    const head = item({ id: CONTROL_HEAD_ID, kind: "audit_head", seq, hash, ttl: -1 });
    const operations: OperationInput[] = [
      view.head === undefined
        ? createOf(head)
        : {
            operationType: "Replace",
            id: CONTROL_HEAD_ID,
            ifMatch: view.head.etag,
            resourceBody: itemBody(head),
          },
      createOf(item({ id: controlRecordId(seq), kind: "audit", ...record, ttl: -1 })),
      createOf(item({ id: changeItemId(record.change_id), kind: "audit_change", seq, ttl: -1 })),
      ...writes.map((write) => operationOf(scope, write)),
    ];
    const result = await transaction("control change", this.#control, scope, operations, false);
    if (result.kind === "done") return "written";
    if (isSuperseded(result.status)) return "superseded";
    throw unexpected("control change", result.status);
  }

  async records(
    scope: ControlScope,
    page: { limit: number; beforeSeq?: number | undefined },
  ): Promise<{ records: readonly ControlRecord[]; hasMore: boolean }> {
    const head = await this.#read<ChainHead>(scope, CONTROL_HEAD_ID);
    const last = Math.min(head?.value.seq ?? 0, (page.beforeSeq ?? Infinity) - 1);
    if (last < 1) return { records: [], hasMore: false };
    const first = Math.max(1, last - page.limit + 1);
    const query: SqlQuerySpec = {
      query: "SELECT * FROM c WHERE c.id >= @first AND c.id <= @last",
      parameters: [
        { name: "@first", value: controlRecordId(first) },
        { name: "@last", value: controlRecordId(last) },
      ],
    };
    const found = await storeOperation("control audit", (abortSignal) =>
      this.#control.items.query<ControlRecord>(query, { partitionKey: scope, abortSignal }).fetchAll(),
    );
    const records = found.resources.map(controlRecordOf).sort((a, b) => b.seq - a.seq);
    return { records, hasMore: first > 1 };
  }

  async #read<T>(scope: ControlScope, id: string): Promise<Stored<T> | undefined> {
    const response = await storeOperation("read control", (abortSignal) =>
      this.#control.item(id, scope).read<T & object>({ abortSignal }),
    );
    if (response.resource === undefined) return undefined;
    const { _rid, _self, _etag, _attachments, _ts, ...item } = response.resource as Record<string, unknown>;
    return { value: item as T, etag: response.etag };
  }
}

function operationOf(scope: ControlScope, write: ControlWrite): OperationInput {
  const id = write.kind === "delete" ? write.id : write.item.id;
  if (id.startsWith(TRAIL_PREFIX)) throw new TypeError(`${id}: ids of the trail are its own`);
  const condition = "etag" in write && write.etag !== undefined ? { ifMatch: write.etag } : {};
  if (write.kind === "delete") return { operationType: "Delete", id, ...condition };
  const resourceBody = itemBody({ ...write.item, scope, v: STORED_VERSION });
  switch (write.kind) {
    case "create":
      return createOf(resourceBody);
    case "upsert":
      return { operationType: "Upsert", resourceBody, ...condition };
    case "replace":
      return { operationType: "Replace", id, resourceBody, ...condition };
  }
}

/** The record alone: what the store adds to an item is no part of the hashed form. */
export function controlRecordOf(item: ControlRecord): ControlRecord {
  const { scope, seq, at, event, actor, change_id, reason, details, prev_hash, hash } = item;
  return { scope, seq, at, event, actor, change_id, reason, details, prev_hash, hash };
}
