import type { AuditRecord } from "../../audit/record.ts";
import type { JobKey } from "../../store.ts";
import { isBilled } from "../../usage/usage-report.ts";
import { rawItem } from "./documents.ts";
import { auditPlace, ITEMS, partitionOf } from "./items.ts";
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
  ownFields(item, "tenant_id", "billed") as unknown as AuditRecord;

/** A job's trail, oldest first. A record that cannot be read is missing from it, which its neighbours show. */
export async function readTrail(jobs: StoredItems, key: JobKey): Promise<readonly AuditRecord[]> {
  // By their ids, so that the job's content is not loaded to be passed over.
  const query = { where: ITEMS.audit.ids };
  const found = await jobs.find(ITEMS.audit, query, ITEMS.audit.document, { partition: partitionOf(key) });
  return found.map(recordOf).sort((a, b) => a.seq - b.seq);
}

/** A job's records as they are, each with its item's id: for the audit's proof. */
export async function readTrailRaw(
  jobs: StoredItems,
  key: JobKey,
): Promise<readonly { readonly id: string; readonly record: AuditRecord }[]> {
  const found = await jobs.find(ITEMS.audit, { byIds: true }, rawItem, { partition: partitionOf(key) });
  return found.map((item) => ({ id: item.id, record: recordOf(item) }));
}

/** The hash that the record of this number has, or is said to have; undefined: it is not there. */
export async function readRecordHash(
  jobs: StoredItems,
  key: JobKey,
  seq: number,
): Promise<string | undefined> {
  const found = await jobs.readRaw(ITEMS.audit, auditPlace(key, seq));
  return typeof found?.value.hash === "string" ? found.value.hash : undefined;
}
