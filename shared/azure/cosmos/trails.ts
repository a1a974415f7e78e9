import type { Container, FeedOptions, SqlQuerySpec } from "@azure/cosmos";
import type { ChainHead, ControlRecord, ControlScope } from "../../audit/control-record.ts";
import type { AuditRecord } from "../../audit/record.ts";
import type { JobHead, StoredRecord, TrailReader } from "../../audit/verify.ts";
import type { Job } from "../../job/job.ts";
import type { JobKey } from "../../store.ts";
import { storeOperation } from "./client.ts";
import { CONTROL_HEAD_ID, controlRecordId, controlRecordOf } from "./control-trail.ts";
import { auditId, JOB_ID, recordOf } from "./job-store.ts";

/** Items of a page: some 100 kB. */
const PAGE_ITEMS = 500;
const DAY_SECONDS = 86_400;

/** Fields of a job item that tell where its trail stands and until when it is kept. */
export const HEAD_FIELDS =
  "c.tenant_id, c.job_id, c.status, c.audit_seq, c.audit_hash, c.audit_until_ms, c.ttl, c._ts, c._etag";

export type HeadFields = Pick<
  Job,
  "tenant_id" | "job_id" | "status" | "audit_seq" | "audit_hash" | "audit_until_ms"
> & { readonly ttl?: number; readonly _ts: number; readonly _etag: string };

export function jobHeadOf(item: HeadFields): JobHead {
  const { tenant_id, job_id, status, audit_seq, audit_hash } = item;
  return { tenant_id, job_id, status, audit_seq, audit_hash, until: untilOf(item), etag: item._etag };
}

/** Unix time, seconds. Before a job said so itself, its item's own TTL did: it goes a day after its trail. */
function untilOf({ audit_until_ms, ttl, _ts }: HeadFields): number | null {
  if (audit_until_ms === null) return null;
  if (audit_until_ms !== undefined) return Math.floor(audit_until_ms / 1000);
  return ttl === undefined || ttl < 0 ? null : _ts + ttl - DAY_SECONDS;
}

/** The pages of a query, one at a time, each within an operation's time. */
export async function* pagesOf<T>(
  what: string,
  container: Container,
  query: SqlQuerySpec | string,
  options: FeedOptions,
): AsyncGenerator<readonly T[]> {
  const iterator = container.items.query<T>(query, { maxItemCount: PAGE_ITEMS, ...options });
  while (iterator.hasMoreResults()) {
    const page = await storeOperation(what, () => iterator.fetchNext());
    // The SDK answers undefined for a page without items.
    const items = page.resources ?? [];
    if (items.length > 0) yield items;
  }
}

/** Trails as they are stored, for the audit's proof. It only reads. */
export class CosmosTrails implements TrailReader {
  readonly #jobs: Container;
  readonly #control: Container;

  constructor(jobs: Container, control: Container) {
    this.#jobs = jobs;
    this.#control = control;
  }

  async *jobs(): AsyncGenerator<readonly JobHead[]> {
    // Every job item has this field, no other item has it, and it is indexed.
    const query = `SELECT ${HEAD_FIELDS} FROM c WHERE c.created_at_ms >= 0`;
    for await (const page of pagesOf<HeadFields>("walk jobs", this.#jobs, query, {})) {
      yield page.map(jobHeadOf);
    }
  }

  async job(key: JobKey): Promise<JobHead | undefined> {
    const item = await read<HeadFields>("read job", this.#jobs, JOB_ID, partitionOf(key));
    return item === undefined ? undefined : jobHeadOf(item);
  }

  async records(key: JobKey): Promise<readonly StoredRecord<AuditRecord>[]> {
    const query = "SELECT * FROM c WHERE c.kind = 'audit'";
    const found = await storeOperation("read trail", (abortSignal) =>
      this.#jobs.items
        .query<AuditRecord & { id: string }>(query, { partitionKey: partitionOf(key), abortSignal })
        .fetchAll(),
    );
    return found.resources
      .map((item) => ({ record: recordOf(item), storedAs: numberOf(item.id) }))
      .sort((a, b) => orLast(a.storedAs) - orLast(b.storedAs));
  }

  async recordHash(key: JobKey, seq: number): Promise<string | undefined> {
    const item = await read<AuditRecord>("read record", this.#jobs, auditId(seq), partitionOf(key));
    return item?.hash;
  }

  async countRecords(): Promise<number> {
    const query = "SELECT VALUE COUNT(1) FROM c WHERE c.kind = 'audit'";
    let count = 0;
    for await (const page of pagesOf<number>("count records", this.#jobs, query, {})) {
      for (const part of page) count += part;
    }
    return count;
  }

  recordOwners(): AsyncGenerator<readonly (JobKey & { seq: number })[]> {
    const query = "SELECT c.tenant_id, c.job_id, c.seq FROM c WHERE c.kind = 'audit'";
    return pagesOf("walk records", this.#jobs, query, {});
  }

  controlHead(scope: ControlScope): Promise<ChainHead | undefined> {
    return read<ChainHead>("read control", this.#control, CONTROL_HEAD_ID, scope);
  }

  /** By number, a stretch at a time, until a stretch beyond the head is empty. */
  async *controlRecords(scope: ControlScope): AsyncGenerator<readonly StoredRecord<ControlRecord>[]> {
    const head = await this.controlHead(scope);
    for (let first = 1; ; first += PAGE_ITEMS) {
      const query: SqlQuerySpec = {
        query: "SELECT * FROM c WHERE c.id >= @first AND c.id < @next",
        parameters: [
          { name: "@first", value: controlRecordId(first) },
          { name: "@next", value: controlRecordId(first + PAGE_ITEMS) },
        ],
      };
      const found = await storeOperation("read control", (abortSignal) =>
        this.#control.items
          .query<ControlRecord & { id: string }>(query, { partitionKey: scope, abortSignal })
          .fetchAll(),
      );
      yield found.resources
        .map((item) => ({ record: controlRecordOf(item), storedAs: numberOf(item.id) }))
        .sort((a, b) => a.storedAs - b.storedAs);
      if (found.resources.length === 0 && first > (head?.seq ?? 0)) return;
    }
  }

  async controlRecordHash(scope: ControlScope, seq: number): Promise<string | undefined> {
    const item = await read<ControlRecord>("read control", this.#control, controlRecordId(seq), scope);
    return item?.hash;
  }
}

const partitionOf = (key: JobKey): string[] => [key.tenant_id, key.job_id];

const orLast = (n: number) => (Number.isNaN(n) ? Number.MAX_SAFE_INTEGER : n);

/** The number in `audit-NNNNNN`; NaN for an id that is none. */
function numberOf(id: string): number {
  return Number(/^audit-(\d+)$/.exec(id)?.[1] ?? Number.NaN);
}

export async function read<T>(
  what: string,
  container: Container,
  id: string,
  partitionKey: string | string[],
): Promise<T | undefined> {
  const response = await storeOperation(what, (abortSignal) =>
    container.item(id, partitionKey).read<T & object>({ abortSignal }),
  );
  return response.resource;
}
