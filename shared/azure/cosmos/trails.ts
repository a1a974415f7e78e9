import { z } from "zod";
import type { StoredContent } from "../../audit/contents.ts";
import type { ChainHead, ControlRecord, ControlScope } from "../../audit/control-record.ts";
import type { AuditRecord } from "../../audit/record.ts";
import type { JobHead, StoredJobRecord, StoredRecord, TrailReader } from "../../audit/verify.ts";
import { type JobKey, readItem, UnreadableItem } from "../../store.ts";
import { inOrder, numberOf, readRecord, readTrailRaw } from "./audit-items.ts";
import { readBody } from "./content.ts";
import { controlRecordOf } from "./control-trail.ts";
import { bodyDocument, jobKey, rawItem } from "./documents.ts";
import {
  type ContentId,
  contentPlace,
  controlHeadPlace,
  controlRecordPlace,
  ITEMS,
  jobPlace,
} from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** Items of a page: some 100 kB. */
export const PAGE_ITEMS = 500;
const DAY_SECONDS = 86_400;

/** Fields of a job item that tell where its trail stands and until when it is kept. */
export const HEAD_FIELDS =
  "c.tenant_id, c.job_id, c.status, c.audit_seq, c.audit_hash, c.audit_until_ms, c.ttl, c._ts, c._etag";

export const headFields = z.looseObject({
  ...jobKey.shape,
  status: z.string(),
  audit_seq: z.int().nonnegative(),
  audit_hash: z.string(),
  audit_until_ms: z.number().nullable().optional(),
  ttl: z.number().optional(),
  _ts: z.number(),
  _etag: z.string(),
});
type HeadFields = z.infer<typeof headFields>;

/** A head that is damaged is looked at as well: no trail holds against it, and that is told. */
const anyHeadFields = headFields.extend({
  status: z.string().catch(""),
  audit_seq: headFields.shape.audit_seq.catch(0),
  audit_hash: z.string().catch(""),
  audit_until_ms: headFields.shape.audit_until_ms.catch(null),
});

/** A job item's figures are taken as they are: whatever stands there is held against the records. */
function jobHeadOf(item: HeadFields): JobHead {
  return { ...item, until: untilOf(item), etag: item._etag } as unknown as JobHead;
}

/** Unix time, seconds. Before a job said so itself, its item's own TTL did: it goes a day after its trail. */
export function untilOf({ audit_until_ms, ttl, _ts }: HeadFields): number | null {
  if (audit_until_ms === null) return null;
  if (audit_until_ms !== undefined) return Math.floor(audit_until_ms / 1000);
  return ttl === undefined || ttl < 0 ? null : _ts + ttl - DAY_SECONDS;
}

/** Trails as they are stored, for the proof of the audit trail. It only reads. */
export class CosmosTrails implements TrailReader {
  readonly #jobs: StoredItems;
  readonly #control: StoredItems;

  constructor(jobs: StoredItems, control: StoredItems) {
    this.#jobs = jobs;
    this.#control = control;
  }

  async *jobs(): AsyncGenerator<readonly JobHead[]> {
    // Few kinds have this field, and it is indexed: content and records are not loaded to be passed over.
    const query = { where: "c.created_at_ms >= 0" };
    for await (const page of this.#jobs.pages(ITEMS.job, query, anyHeadFields, { pageItems: PAGE_ITEMS }))
      yield page.map(jobHeadOf);
  }

  async job(key: JobKey): Promise<JobHead | undefined> {
    const found = await this.#jobs.readRaw(ITEMS.job, jobPlace(key));
    return found && jobHeadOf(anyHeadFields.parse(found.value));
  }

  records(key: JobKey): Promise<readonly StoredJobRecord[]> {
    return readTrailRaw(this.#jobs, key);
  }

  record(key: JobKey, seq: number): Promise<AuditRecord | undefined> {
    return readRecord(this.#jobs, key, seq);
  }

  async contents(key: JobKey): Promise<StoredContent> {
    const [request, response] = await Promise.all([this.#body(key, "request"), this.#body(key, "response")]);
    return { request, response };
  }

  /** What cannot be read cannot be the content that was stored: it gives no hash of any record. */
  async #body(key: JobKey, id: ContentId): Promise<string | undefined> {
    const found = await this.#jobs.readRaw(ITEMS[id], contentPlace(key, id));
    if (found === undefined) return undefined;
    try {
      const { body, chunks } = readItem({ kind: id, document: bodyDocument }, id, found.value);
      return chunks === undefined ? String(body) : await readBody(this.#jobs, key, { chunks });
    } catch (thrown) {
      if (thrown instanceof UnreadableItem) return "";
      throw thrown;
    }
  }

  countRecords(): Promise<number> {
    return this.#jobs.count(ITEMS.audit);
  }

  recordOwners(): AsyncGenerator<readonly (JobKey & { seq: number })[]> {
    const query = { select: "c.tenant_id, c.job_id, c.seq", byIds: true } as const;
    const row = jobKey.extend({ seq: ITEMS.audit.document.shape.seq });
    return this.#jobs.pages(ITEMS.audit, query, row, { pageItems: PAGE_ITEMS });
  }

  async controlHead(scope: ControlScope): Promise<ChainHead | undefined> {
    return (await this.#control.read(ITEMS.control_head, controlHeadPlace(scope)))?.value;
  }

  /** By number, a stretch at a time, until a stretch beyond the head is empty. */
  async *controlRecords(scope: ControlScope): AsyncGenerator<readonly StoredRecord<ControlRecord>[]> {
    const head = await this.controlHead(scope);
    for (let first = 1; ; first += PAGE_ITEMS) {
      const query = {
        byIds: true as const,
        where: "c.id >= @first AND c.id < @next",
        parameters: {
          "@first": controlRecordPlace(scope, first).id,
          "@next": controlRecordPlace(scope, first + PAGE_ITEMS).id,
        },
      };
      const found = await this.#control.find(ITEMS.control_record, query, rawItem, { partition: scope });
      const storedAs = (item: { readonly id: string }) => numberOf(ITEMS.control_record, item);
      yield inOrder(found.map((item) => ({ record: controlRecordOf(item), storedAs: storedAs(item) })));
      if (found.length === 0 && first > (head?.seq ?? 0)) return;
    }
  }

  async controlRecord(scope: ControlScope, seq: number): Promise<ControlRecord | undefined> {
    const found = await this.#control.readRaw(ITEMS.control_record, controlRecordPlace(scope, seq));
    return found && controlRecordOf(found.value);
  }

  async controlItem(scope: ControlScope, id: string): Promise<Row | undefined> {
    return (await this.#control.readRaw({ kind: "control" }, { id, partition: scope }))?.value;
  }
}

type Row = Readonly<Record<string, unknown>>;
