import { isBilled } from "../../audit/billed.ts";
import { type AuditRecord, FIRST_RECORDS } from "../../audit/record.ts";
import type { StoredJobRecord, StoredRecord } from "../../audit/verify.ts";
import { type JobKey, readItem } from "../../store.ts";
import { rawItem, recordFields } from "./documents.ts";
import { auditPlace, ITEMS, type ItemKind, jobPlace, partitionOf } from "./items.ts";
import { nameOf, ownFields, type StoredItems } from "./stored-items.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Only beside calls that used something, or may have, so that usage is found by an index that holds no others. */
export interface BilledField {
  readonly at: number;
  /** The one that the job asked for. */
  readonly model: string;
}

export const billedField = ({ at }: AuditRecord, model: string): BilledField => ({ at, model });

/** A record as an item. */
export function auditFields(record: AuditRecord, owner: { tenant_id: string; model: string }) {
  return {
    tenant_id: owner.tenant_id,
    ...record,
    ...(isBilled(record) ? { billed: billedField(record, owner.model) } : {}),
  };
}

/** A field that a neighbouring version has added is part of what was hashed, so it is kept. */
const recordOf = (item: Fields): AuditRecord =>
  // The tenant of a trail is part of its first record, since format 2.
  ownFields(item, "billed", ...(item.format === undefined ? ["tenant_id"] : [])) as unknown as AuditRecord;

/** The first records, which lie in the job's item; whatever else stands there is none. */
const firstRecords = (job: Fields | undefined): readonly Fields[] =>
  Array.isArray(job?.first_records)
    ? job.first_records.filter((each) => typeof each === "object" && each !== null)
    : [];

/** A job's trail, oldest first. A record that cannot be read is missing from it, which its neighbours show. */
export async function readTrail(jobs: StoredItems, key: JobKey): Promise<readonly AuditRecord[]> {
  const job = (await jobs.readRaw(ITEMS.job, jobPlace(key)))?.value;
  const first = firstRecords(job).flatMap((record) =>
    jobs.readable(() => readItem({ kind: "audit", document: recordFields }, nameOf({ ...key }), record)),
  ) as unknown as AuditRecord[];
  if (first.length === job?.audit_seq) return first;
  // Found by their ids, so that the job's content is not loaded only to be skipped.
  const query = { where: ITEMS.audit.ids };
  const found = await jobs.find(ITEMS.audit, query, ITEMS.audit.document, { partition: partitionOf(key) });
  return [...first, ...found.map(recordOf)].sort((a, b) => a.seq - b.seq);
}

/** A job's records as they are, whether they can be read or not: for the audit's proof. */
export async function readTrailRaw(jobs: StoredItems, key: JobKey): Promise<readonly StoredJobRecord[]> {
  const [job, found] = await Promise.all([
    jobs.readRaw(ITEMS.job, jobPlace(key)),
    jobs.find(ITEMS.audit, { byIds: true }, rawItem, { partition: partitionOf(key) }),
  ]);
  const items = found.map((item) => ({
    ...{ record: recordOf(item), storedAs: numberOf(ITEMS.audit, item), billed: item.billed },
  }));
  return inOrder([...firstRaw(job?.value), ...items]);
}

/** What the job's item has in `billed` is of the one that is, or else of none. */
function firstRaw(job: Fields | undefined): StoredJobRecord[] {
  const records = firstRecords(job) as unknown as AuditRecord[];
  const billed = Math.max(0, records.findIndex(isBilled));
  return records.map((record, at) => ({
    record,
    storedAs: recordFields.safeParse(record).success ? record.seq : Number.NaN,
    billed: at === billed ? job?.billed : undefined,
    withJob: true,
  }));
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
  if (seq <= FIRST_RECORDS) {
    const job = await jobs.readRaw(ITEMS.job, jobPlace(key));
    const first = firstRecords(job?.value).find((record) => record.seq === seq);
    if (first !== undefined) return first as unknown as AuditRecord;
  }
  const found = await jobs.readRaw(ITEMS.audit, auditPlace(key, seq));
  return found && recordOf(found.value);
}
