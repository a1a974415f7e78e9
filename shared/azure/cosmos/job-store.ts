import type { Container, OperationInput, SqlQuerySpec } from "@azure/cosmos";
import type { AuditRecord } from "../../audit/record.ts";
import type { OutboxItem } from "../../job/ending/outbox.ts";
import type { Accepted } from "../../job/intake/accept.ts";
import type { Job, StoredRequest, StoredResponse } from "../../job/job.ts";
import type { Draft } from "../../job/life-cycle.ts";
import type { JobStore, ListFilter } from "../../job/ports.ts";
import type { Log } from "../../log.ts";
import {
  type JobKey,
  STORED_VERSION,
  type Stored,
  StoreUnavailable,
  UnreadableItem,
  type WriteResult,
} from "../../store.ts";
import { isBilled } from "../../usage/usage-report.ts";
import { storeOperation } from "./client.ts";
import { documentOf, jobOf } from "./job-document.ts";
import { auditUntilMs, type Retention, ttlSeconds } from "./retention.ts";
import {
  createOf,
  etagOf,
  isSuperseded,
  itemBody,
  type TransactionResult,
  transaction,
  unexpected,
} from "./transaction.ts";

/** Item ids inside a job's own logical partition, `[tenant_id, job_id]`. */
export const JOB_ID = "job";
const REQUEST_ID = "request";
const RESPONSE_ID = "response";
/** One for each event, of which a job has one at most. */
export const outboxId = (event: OutboxItem["event"]) => `outbox-${event}`;
export const auditId = (seq: number) => `audit-${String(seq).padStart(6, "0")}`;

const partitionOf = (key: JobKey): string[] => [key.tenant_id, key.job_id];

/** The pipeline's store on Cosmos DB. Every change of a job is one transactional batch in its logical partition. */
export class CosmosJobStore implements JobStore {
  readonly #jobs: Container;
  readonly #retention: Retention;
  readonly #log: Log;

  constructor(jobs: Container, retention: Retention, log: Log) {
    this.#jobs = jobs;
    this.#retention = retention;
    this.#log = log;
  }

  async create(accepted: Accepted, nowMs: number): Promise<WriteResult | { kind: "exists" }> {
    const { job, request, records } = accepted;
    const ttl = this.#ttl(job, nowMs);
    const operations: OperationInput[] = [
      createOf(this.#jobItem(job, nowMs)),
      createOf({ id: REQUEST_ID, ...request, ttl: ttl("content") }),
      ...records.map((record) => createOf(auditItem(job, record, ttl("audit")))),
    ];
    const result = await this.#batch("create", job, operations);
    if (result.kind === "done") return { kind: "written", etag: etagOf(result.responses[0]) };
    if (result.status === 409) return { kind: "exists" };
    throw unexpected("create", result.status);
  }

  async read(key: JobKey): Promise<Stored<Job> | undefined> {
    const response = await storeOperation("read", (abortSignal) =>
      this.#jobs.item(JOB_ID, partitionOf(key)).read({ abortSignal }),
    );
    if (response.resource === undefined) return undefined;
    return { value: jobOf(response.resource), etag: response.etag };
  }

  async readWithRequest(
    key: JobKey,
  ): Promise<{ job: Stored<Job>; request: StoredRequest | undefined } | undefined> {
    const result = await this.#batch("read", key, [
      { operationType: "Read", id: JOB_ID },
      { operationType: "Read", id: REQUEST_ID },
    ]);
    if (result.kind === "refused") {
      if (result.status !== 404) throw unexpected("read", result.status);
      // A batch sees one moment: only where it found the job and not the request is the request known to be gone. Two
      // reads, of two moments or two replicas, could find a job whose request was merely not there yet.
      if (result.at === 0) return undefined;
      if (result.at === undefined) throw new StoreUnavailable("read: the batch does not say what is missing");
      const job = await this.read(key);
      return job === undefined ? undefined : { job, request: undefined };
    }
    const [job, request] = result.responses;
    const request_ = request?.resourceBody as unknown as StoredRequest | undefined;
    return { job: { value: jobOf(job?.resourceBody), etag: etagOf(job) }, request: request_ };
  }

  async readResponse(key: JobKey): Promise<StoredResponse | undefined> {
    const response = await storeOperation("read response", (abortSignal) =>
      this.#jobs.item(RESPONSE_ID, partitionOf(key)).read<StoredResponse>({ abortSignal }),
    );
    return response.resource;
  }

  /**
   * By one page of a query in the job's logical partition, which one replica answers from one snapshot. A page that is
   * not the last leaves open what there is.
   */
  async readWithResponse(
    key: JobKey,
  ): Promise<{ job: Stored<Job>; response: StoredResponse | undefined } | undefined> {
    const query = `SELECT * FROM c WHERE c.id IN ('${JOB_ID}', '${RESPONSE_ID}')`;
    const page = await storeOperation("read with response", (abortSignal) =>
      this.#jobs.items
        .query<Item>(query, { partitionKey: partitionOf(key), maxItemCount: 2, abortSignal })
        .fetchNext(),
    );
    const found = (wanted: string) => page.resources.find(({ id }) => id === wanted);
    const [job, response] = [found(JOB_ID), found(RESPONSE_ID)];
    if (job === undefined || (response === undefined && page.hasMoreResults)) return undefined;
    return {
      job: { value: jobOf(job), etag: job._etag },
      response: response as unknown as StoredResponse | undefined,
    };
  }

  async write(draft: Draft, etag: string, nowMs: number): Promise<WriteResult> {
    const { job, records, response, outbox = [], erase = [] } = draft;
    const ttl = this.#ttl(job, nowMs);
    const operations: OperationInput[] = [
      {
        operationType: "Replace",
        id: JOB_ID,
        ifMatch: etag,
        resourceBody: itemBody(this.#jobItem(job, nowMs)),
      },
      ...records.map((record) => createOf(auditItem(job, record, ttl("audit")))),
    ];
    if (response !== undefined)
      operations.push(createOf({ id: RESPONSE_ID, ...response, ttl: ttl("content") }));
    operations.push(...outbox.map((item) => createOf(outboxItem(job, item, ttl("content")))));
    const result = await this.#writeAndErase(job, operations, [...erase]);
    if (result.kind === "done") return { kind: "written", etag: etagOf(result.responses[0]) };
    // 409: an audit record or the response is there already, so the job has moved on as well.
    if (isSuperseded(result.status)) return { kind: "superseded" };
    throw unexpected("write", result.status);
  }

  /**
   * A batch fails as a whole when it deletes what is not there, and content may have lapsed: what the batch did not find
   * is left out of the next. Only the batch can tell; a query may be answered by a replica that has not seen it yet.
   */
  async #writeAndErase(
    key: JobKey,
    operations: readonly OperationInput[],
    erase: string[],
  ): Promise<TransactionResult> {
    for (;;) {
      const deletes = erase.map((id): OperationInput => ({ operationType: "Delete", id }));
      const result = await this.#batch("write", key, [...operations, ...deletes]);
      const at = result.kind === "refused" && result.status === 404 ? result.at : undefined;
      if (at === undefined || at < operations.length) return result;
      erase.splice(at - operations.length, 1);
    }
  }

  async list(tenantId: string, filter: ListFilter): Promise<{ jobs: readonly Job[]; hasMore: boolean }> {
    const conditions = ["c.kind = 'job'"];
    const parameters: { name: string; value: string | number }[] = [];
    const where = (condition: string, name: string, value: string | number | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      parameters.push({ name, value });
    };
    where("c.status = @status", "@status", filter.status);
    where("c.model = @model", "@model", filter.model);
    if (filter.after !== undefined) {
      where("c.created_at_ms <= @at", "@at", filter.after.created_at_ms);
      where("(c.created_at_ms < @at OR c.job_id < @id)", "@id", filter.after.job_id);
    }
    // A composite index serves a filter and an order together where the order begins with what is filtered by.
    const [first] = (["status", "model"] as const).filter((name) => filter[name] !== undefined);
    const order = [...(first === undefined ? [] : [first]), "created_at_ms", "job_id"];
    // One more than asked for tells whether there are more.
    const query: SqlQuerySpec = {
      query: `SELECT TOP ${filter.limit + 1} * FROM c WHERE ${conditions.join(" AND ")} ORDER BY ${order.map((name) => `c.${name} DESC`).join(", ")}`,
      parameters,
    };
    const found = await storeOperation("list", (abortSignal) =>
      this.#jobs.items
        .query<object>(query, { partitionKey: [tenantId], maxItemCount: filter.limit + 1, abortSignal })
        .fetchAll(),
    );
    const { resources } = found;
    const jobs = resources.slice(0, filter.limit).flatMap((item) => this.#readable(item));
    return { jobs, hasMore: resources.length > filter.limit };
  }

  #readable(item: object): readonly Job[] {
    try {
      return [jobOf(item)];
    } catch (thrown) {
      if (!(thrown instanceof UnreadableItem)) throw thrown;
      this.#log.error("job_unreadable", { reason: thrown.message });
      return [];
    }
  }

  async hasRecord(key: JobKey, record: AuditRecord): Promise<boolean> {
    const response = await storeOperation("read record", (abortSignal) =>
      this.#jobs.item(auditId(record.seq), partitionOf(key)).read<AuditRecord>({ abortSignal }),
    );
    return response.resource?.hash === record.hash;
  }

  async audit(key: JobKey): Promise<readonly AuditRecord[]> {
    const query = "SELECT * FROM c WHERE c.kind = 'audit'";
    const found = await storeOperation("audit", (abortSignal) =>
      this.#jobs.items.query<AuditItem>(query, { partitionKey: partitionOf(key), abortSignal }).fetchAll(),
    );
    return found.resources.map(recordOf).sort((a, b) => a.seq - b.seq);
  }

  #ttl(job: Job, nowMs: number): (kind: "content" | "audit" | "job") => number {
    return (kind) => ttlSeconds(kind, job, nowMs, this.#retention);
  }

  #jobItem(job: Job, nowMs: number): object {
    const audit_until_ms = auditUntilMs(job, this.#retention);
    return { id: JOB_ID, ...documentOf(job), audit_until_ms, ttl: this.#ttl(job, nowMs)("job") };
  }

  #batch(what: string, key: JobKey, operations: OperationInput[]): Promise<TransactionResult> {
    return transaction(what, this.#jobs, partitionOf(key), operations, what === "read");
  }
}

interface Item {
  readonly id: string;
  readonly _etag: string;
}

interface AuditItem extends AuditRecord {
  readonly v: number;
  readonly kind: "audit";
  readonly tenant_id: string;
}

function auditItem(job: Job, record: AuditRecord, ttl: number): object {
  return {
    id: auditId(record.seq),
    v: STORED_VERSION,
    kind: "audit",
    tenant_id: job.tenant_id,
    ...record,
    // Only on records of calls that used something, or may have, so that usage is found by an index that holds no others.
    ...(isBilled(record) ? { billed: { at: record.at, model: job.model } } : {}),
    ttl,
  };
}

function outboxItem({ tenant_id, job_id }: Job, { event, at_ms }: OutboxItem, ttl: number): object {
  const key = { id: outboxId(event), v: STORED_VERSION, kind: "outbox", tenant_id, job_id };
  return { ...key, event, at_ms, ttl };
}

/**
 * The record alone: what the store adds to an item is no part of the hashed form. A field that a neighbouring version
 * has added is, so it is kept.
 */
export function recordOf(item: AuditRecord): AuditRecord {
  const { id, v, kind, tenant_id, billed, ttl, ...record } = item as AuditRecord & Record<string, unknown>;
  const { _rid, _self, _etag, _attachments, _ts, ...own } = record;
  return own as unknown as AuditRecord;
}
