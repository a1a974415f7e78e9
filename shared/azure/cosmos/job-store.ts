import type { OperationInput } from "@azure/cosmos";
import type { z } from "zod";
import type { AuditRecord } from "../../audit/record.ts";
import type { StoredRequest, StoredResponse } from "../../content/content.ts";
import type { ContentStore } from "../../content/content-store.ts";
import type { Accepted } from "../../job/intake/accept.ts";
import type { Job } from "../../job/job.ts";
import type { Draft } from "../../job/life-cycle.ts";
import type { JobStore, ListFilter } from "../../job/ports.ts";
import {
  type JobKey,
  readItem,
  type Stored,
  StoreUnavailable,
  UnreadableItem,
  type WriteResult,
} from "../../store.ts";
import { auditFields, readRecord, readTrail } from "./audit-items.ts";
import { storeOperation } from "./client.ts";
import { bodyFieldsOf } from "./content.ts";
import { bodyDocument } from "./documents.ts";
import {
  auditPlace,
  type ContentId,
  contentPlace,
  eventLogPlace,
  ITEMS,
  JOB_ID,
  jobPlace,
  partitionOf,
  removingPlace,
  writingPlace,
} from "./items.ts";
import { documentOf, jobOf } from "./job-document.ts";
import { outboxWrite } from "./outbox.ts";
import { queryOf } from "./queries.ts";
import { type Retention, ttlSeconds, untilOf } from "./retention.ts";
import { nameOf, type StoredItems } from "./stored-items.ts";
import {
  createOf,
  etagOf,
  isSuperseded,
  itemBody,
  type TransactionResult,
  transaction,
  unexpected,
} from "./transaction.ts";

/** The pipeline's store on Cosmos DB. Every change of a job is one transactional batch in its logical partition. */
export class CosmosJobStore implements JobStore {
  readonly #jobs: StoredItems;
  readonly #retention: Retention;
  readonly #contents: ContentStore;

  constructor(jobs: StoredItems, retention: Retention, contents: ContentStore) {
    this.#jobs = jobs;
    this.#retention = retention;
    this.#contents = contents;
  }

  async create(accepted: Accepted, nowMs: number): Promise<WriteResult | { kind: "exists" }> {
    const { job, request, records, outbox = [] } = accepted;
    const content = await this.#contentWrite(job, "request", request, nowMs);
    const operations: OperationInput[] = [
      ...[createOf(this.#jobItem(job, nowMs)), content.operation],
      ...this.#recordWrites(job, records, nowMs),
      ...outbox.map((item) => outboxWrite(this.#jobs, job, item, nowMs)),
    ];
    const result = await this.#commit("create", job, operations, content.uncommitted);
    if (result.kind === "done") return { kind: "written", etag: etagOf(result.responses[0]) };
    if (result.status === 409) return { kind: "exists" };
    throw unexpected("create", result.status);
  }

  async read(key: JobKey): Promise<Stored<Job> | undefined> {
    const found = await this.#jobs.readRaw(ITEMS.job, jobPlace(key));
    return found && { value: jobOf(found.value), etag: found.etag };
  }

  async readWithRequest(
    key: JobKey,
  ): Promise<{ job: Stored<Job>; request: StoredRequest | UnreadableItem | undefined } | undefined> {
    const result = await this.#batch("read", key, [
      { operationType: "Read", id: JOB_ID },
      { operationType: "Read", id: contentPlace(key, "request").id },
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
    return {
      job: { value: jobOf(job?.resourceBody), etag: etagOf(job) },
      request: await this.#request(key, request?.resourceBody),
    };
  }

  async #request(key: JobKey, item: unknown): Promise<StoredRequest | UnreadableItem> {
    try {
      const found = readItem(ITEMS.request, nameOf({ ...key, id: "request" }), item);
      return { body: await this.#contents.read(key, bodyFieldsOf(found)) };
    } catch (thrown) {
      if (thrown instanceof UnreadableItem) return thrown;
      throw thrown;
    }
  }

  async readResponse(key: JobKey): Promise<StoredResponse | undefined> {
    const found = await this.#jobs.read(ITEMS.response, contentPlace(key, "response"));
    return found && (await this.#response(key, found.value));
  }

  async #response(key: JobKey, item: z.infer<typeof ITEMS.response.document>): Promise<StoredResponse> {
    const { status_code, request_id } = item;
    return { status_code, request_id, body: await this.#contents.read(key, bodyFieldsOf(item)) };
  }

  /**
   * By one page of a query in the job's logical partition, which one replica answers from one snapshot. A page that is
   * not the last leaves open what there is.
   */
  async readWithResponse(
    key: JobKey,
  ): Promise<{ job: Stored<Job>; response: StoredResponse | undefined } | undefined> {
    const query = queryOf([ITEMS.job, ITEMS.response], { byIds: true });
    const page = await storeOperation("read with response", (abortSignal) =>
      this.#jobs.container.items
        .query<Item>(query, { partitionKey: partitionOf(key), maxItemCount: 2, abortSignal })
        .fetchNext(),
    );
    const [job, response] = [jobPlace(key), contentPlace(key, "response")].map((place) =>
      page.resources.find(({ id }) => id === place.id),
    );
    if (job === undefined || (response === undefined && page.hasMoreResults)) return undefined;
    return {
      job: { value: jobOf(job), etag: job._etag },
      response: response && (await this.#response(key, readItem(ITEMS.response, nameOf(response), response))),
    };
  }

  async write(draft: Draft, etag: string, nowMs: number): Promise<WriteResult> {
    const { job, records, response, outbox = [], erase = [] } = draft;
    const operations: OperationInput[] = [
      {
        operationType: "Replace",
        id: JOB_ID,
        ifMatch: etag,
        resourceBody: itemBody(this.#jobItem(job, nowMs)),
      },
      ...this.#recordWrites(job, records, nowMs),
    ];
    const content = response && (await this.#contentWrite(job, "response", response, nowMs));
    if (content !== undefined) operations.push(content.operation);
    if (draft.eraseEvents === true) operations.push(this.#eraseEvents(job, nowMs));
    operations.push(...outbox.map((item) => outboxWrite(this.#jobs, job, item, nowMs)));
    const loose = (await Promise.all(erase.map((id) => this.#chunksOf(job, id)))).flat();
    operations.push(...loose.map((contentId) => this.#looseWrite(job, contentId, nowMs)));
    const result = await this.#writeAndErase(job, operations, content?.uncommitted, [...erase]);
    if (result.kind === "done") for (const contentId of loose) await this.#removeLoose(job, contentId);
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
    uncommitted: string | undefined,
    erase: string[],
  ): Promise<TransactionResult> {
    for (;;) {
      const deletes = erase.map((id): OperationInput => ({ operationType: "Delete", id }));
      const result = await this.#commit("write", key, [...operations, ...deletes], uncommitted);
      const at = result.kind === "refused" && result.status === 404 ? result.at : undefined;
      if (at === undefined || at < operations.length) return result;
      erase.splice(at - operations.length, 1);
    }
  }

  /** Of content that has chunks, their id. */
  async #chunksOf(key: JobKey, id: ContentId): Promise<string[]> {
    const found = await this.#jobs.readRaw(ITEMS[id], contentPlace(key, id));
    // What is damaged is erased all the same.
    const body = bodyDocument.safeParse(found?.value).data;
    return body?.chunks === undefined ? [] : [body.chunks.content_id];
  }

  /** From the moment that no item names them, the sweeper knows of them. */
  #looseWrite(key: JobKey, content_id: string, nowMs: number): OperationInput {
    const { tenant_id, job_id } = key;
    const fields = { tenant_id, job_id, content_id, wake_at_ms: nowMs };
    return this.#jobs.writing(ITEMS.writing, removingPlace(key, content_id), fields);
  }

  /** Where it fails the sweeper does it: nobody can read them any more. */
  async #removeLoose(key: JobKey, contentId: string): Promise<void> {
    try {
      await this.#contents.remove(key, contentId);
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
    }
  }

  async find(jobId: string): Promise<Stored<Job> | undefined> {
    const query = queryOf(ITEMS.job, {
      ...{ top: 1, select: "c.tenant_id, c.job_id", where: "c.job_id = @id" },
      parameters: { "@id": jobId },
    });
    const found = await storeOperation("find", (abortSignal) =>
      this.#jobs.container.items.query<JobKey>(query, { maxItemCount: 1, abortSignal }).fetchAll(),
    );
    const [key] = found.resources;
    return key && (await this.read(key));
  }

  async list(
    tenantId: string | undefined,
    filter: ListFilter,
  ): Promise<{ jobs: readonly Job[]; hasMore: boolean }> {
    const conditions: string[] = [];
    const parameters: Record<`@${string}`, string | number> = {};
    const where = (condition: string, name: `@${string}`, value: string | number | undefined) => {
      if (value === undefined) return;
      conditions.push(condition);
      parameters[name] = value;
    };
    where("c.status = @status", "@status", filter.status);
    where("c.model = @model", "@model", filter.model);
    where("c.batch_id = @batch", "@batch", filter.batchId);
    where("c.created_at_ms >= @from", "@from", filter.fromMs);
    where("c.created_at_ms < @before", "@before", filter.beforeMs);
    for (const [n, [key, value]] of Object.entries(filter.metadata ?? {}).entries())
      where(`c.metadata[${JSON.stringify(key)}] = @value${n}`, `@value${n}`, value);
    if (filter.after !== undefined) {
      where("c.created_at_ms <= @at", "@at", filter.after.created_at_ms);
      where("(c.created_at_ms < @at OR c.job_id < @id)", "@id", filter.after.job_id);
    }
    // A composite index serves a filter and an order together where the order begins with what is filtered by.
    const { batchId: batch_id, status, model } = filter;
    const [first] = Object.entries({ batch_id, status, model }).flatMap(([name, value]) =>
      value === undefined ? [] : [name],
    );
    const order = [...(first === undefined ? [] : [first]), "created_at_ms", "job_id"];
    // One more than asked for tells whether there are more.
    const query = queryOf(ITEMS.job, {
      ...{ top: filter.limit + 1, parameters },
      ...(conditions.length === 0 ? {} : { where: conditions.join(" AND ") }),
      orderBy: order.map((name) => `c.${name} DESC`).join(", "),
    });
    const found = await storeOperation("list", (abortSignal) =>
      this.#jobs.container.items
        .query<object>(query, {
          ...(tenantId === undefined ? {} : { partitionKey: [tenantId] }),
          ...{ maxItemCount: filter.limit + 1, abortSignal },
        })
        .fetchAll(),
    );
    const { resources } = found;
    const jobs = resources.slice(0, filter.limit).flatMap((item) => this.#jobs.readable(() => jobOf(item)));
    return { jobs, hasMore: resources.length > filter.limit };
  }

  async coalescing(tenantId: string, coalesce: string, sinceMs: number): Promise<readonly Job[]> {
    const query = queryOf(ITEMS.job, {
      where: "c.coalesce = @coalesce AND c.created_at_ms >= @since",
      parameters: { "@coalesce": coalesce, "@since": sinceMs },
    });
    const found = await storeOperation("coalescing", (abortSignal) =>
      this.#jobs.container.items.query<object>(query, { partitionKey: [tenantId], abortSignal }).fetchAll(),
    );
    const jobs = found.resources.flatMap((item) => this.#jobs.readable(() => jobOf(item)));
    return jobs.sort((a, b) => a.created_at_ms - b.created_at_ms || (a.job_id < b.job_id ? -1 : 1));
  }

  async hasRecord(key: JobKey, record: AuditRecord): Promise<boolean> {
    return (await readRecord(this.#jobs, key, record.seq))?.hash === record.hash;
  }

  audit(key: JobKey): Promise<readonly AuditRecord[]> {
    return readTrail(this.#jobs, key);
  }

  #ttl(kind: "content" | "audit" | "job", job: Job, nowMs: number): number {
    return ttlSeconds(kind, job, nowMs, this.#retention);
  }

  #jobItem(job: Job, nowMs: number): object {
    const { audit_until_ms } = untilOf(job, this.#retention);
    // A spread of so many fields makes a dictionary of them, which is slow to make and to write as JSON.
    return Object.assign(documentOf(job), { id: JOB_ID, audit_until_ms, ttl: this.#ttl("job", job, nowMs) });
  }

  #recordWrites(job: Job, records: readonly AuditRecord[], nowMs: number): OperationInput[] {
    const ttl = this.#ttl("audit", job, nowMs);
    const first = new Set(job.first_records?.map(({ seq }) => seq));
    const others = records.filter(({ seq }) => !first.has(seq));
    return others.map((record) =>
      this.#jobs.writing(ITEMS.audit, auditPlace(job, record.seq), { ...auditFields(record, job), ttl }),
    );
  }

  /** From now on nothing is read of the log or added to it, and the sweeper sees to what is left of it. */
  #eraseEvents(job: Job, nowMs: number): OperationInput {
    const { tenant_id, job_id } = job;
    const ttl = this.#ttl("content", job, nowMs);
    const head = { claim_id: "", attempt: 0, next: 0, ended: true, wake_at_ms: nowMs };
    const item = { tenant_id, job_id, ...head, ttl };
    return this.#jobs.putting(ITEMS.event_log, eventLogPlace(job), item);
  }

  async #contentWrite(
    job: Job,
    id: ContentId,
    content: { readonly body: string },
    nowMs: number,
  ): Promise<{ operation: OperationInput; uncommitted: string | undefined }> {
    const key = { tenant_id: job.tenant_id, job_id: job.job_id };
    const ttl = this.#ttl("content", job, nowMs);
    const { body, ...rest } = content;
    const { fields, uncommitted } = await this.#contents.put(key, body, ttl);
    const operation = this.#jobs.writing(ITEMS[id], contentPlace(key, id), {
      ...{ ...key, ...rest, ...fields, ttl },
    });
    return { operation, uncommitted };
  }

  /**
   * A batch that commits what was put before. Where the sweeper has begun to remove that, nothing is committed, and
   * the next try stores it anew. @throws StoreUnavailable
   */
  async #commit(
    what: string,
    key: JobKey,
    operations: OperationInput[],
    uncommitted: string | undefined,
  ): Promise<TransactionResult> {
    if (uncommitted === undefined) return this.#batch(what, key, operations);
    const { id } = writingPlace(key, uncommitted);
    // Before all else that may be refused, so that its own refusal is known by its place.
    const removal: OperationInput = { operationType: "Delete", id };
    const result = await this.#batch(what, key, [...operations, removal]);
    if (result.kind === "done" || result.at !== operations.length) return result;
    this.#contents.forget(uncommitted);
    throw new StoreUnavailable(`${what}: the content was not committed in time`);
  }

  #batch(what: string, key: JobKey, operations: OperationInput[]): Promise<TransactionResult> {
    return transaction(what, this.#jobs.container, partitionOf(key), operations, what === "read");
  }
}

interface Item extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly _etag: string;
}
