import { isBilled } from "../../audit/billed.ts";
import type { AuditRecord } from "../../audit/record.ts";
import type { StoredJobRecord, StoredRecord } from "../../audit/verify.ts";
import type { JobKey } from "../../store.ts";
import { rawItem } from "./documents.ts";
import { auditPlace, ITEMS, type ItemKind, partitionOf } from "./items.ts";
import { ownFields, type StoredItems } from "./stored-items.ts";

/** A record as an item. `model` is the one that the job asked for. */
export function auditFields(record: AuditRecord, owner: { tenant_id: string; model: string }) {
  return {
    tenant_id: owner.tenant_id,
    ...record,
    // Only on records of calls that used something, or may have, so that usage is found by an index that holds no others.
    ...(isBilled(record) ? { billed: { at: record.at, model: owner.model } } : {}),
  };
}

/** A field that a neighbouring version has added is part of what was hashed, so it is kept. */
const recordOf = (item: Readonly<Record<string, unknown>>): AuditRecord =>
  // The tenant of a trail is part of its first record, since format 2.
  ownFields(item, "billed", ...(item.format === undefined ? ["tenant_id"] : [])) as unknown as AuditRecord;

/** A job's trail, oldest first. A record that cannot be read is missing from it, which its neighbours show. */
export async function readTrail(jobs: StoredItems, key: JobKey): Promise<readonly AuditRecord[]> {
  // Found by their ids, so that the job's content is not loaded only to be skipped.
  const query = { where: ITEMS.audit.ids };
  const found = await jobs.find(ITEMS.audit, query, ITEMS.audit.document, { partition: partitionOf(key) });
  return found.map(recordOf).sort((a, b) => a.seq - b.seq);
}

/** A job's records as they are, whether they can be read or not: for the audit's proof. */
export async function readTrailRaw(jobs: StoredItems, key: JobKey): Promise<readonly StoredJobRecord[]> {
  const found = await jobs.find(ITEMS.audit, { byIds: true }, rawItem, { partition: partitionOf(key) });
  const records = found.map((item) => {
    const { billed } = item;
    return { record: recordOf(item), storedAs: numberOf(ITEMS.audit, item), billed };
  });
  return inOrder(records);
}

/** The number in the item's id; NaN for an item that is not read as a record. */
export function numberOf({ document }: ItemKind, item: { readonly id: string }): number {
  const [, digits] = /^audit-(\d+)$/.exec(item.id) ?? [];
  return document.safeParse(item).success ? Number(digits) : Number.NaN;
}

/** Ordered by the numbers they are stored under, those without one last. */
export function inOrder<R extends StoredRecord<unknown>>(records: readonly R[]): readonly R[] {
  const orLast = ({ storedAs }: R) => (Number.isNaN(storedAs) ? Infinity : storedAs);
  return records.toSorted((a, b) => (orLast(a) < orLast(b) ? -1 : 1));
}

/** The record of this number as it is; undefined: it is not there. */
export async function readRecord(
  jobs: StoredItems,
  key: JobKey,
  seq: number,
): Promise<AuditRecord | undefined> {
  const found = await jobs.readRaw(ITEMS.audit, auditPlace(key, seq));
  return found && recordOf(found.value);
}
