import type { z } from "zod";
import { type Batch, type BatchKey, LineSet, NOTHING_READ, type Progress } from "../../batch/batch.ts";
import type { BatchStore, EndedLine, StoredBatch, StoredProgress, Written } from "../../batch/ports.ts";
import { isEnded } from "../../job/job.ts";
import { rawItem } from "./documents.ts";
import { batchPlace, ITEMS, progressPlace } from "./items.ts";
import { jobOf } from "./job-document.ts";
import { outboxWrite } from "./outbox.ts";
import { type Retention, ttlSeconds } from "./retention.ts";
import type { StoredItems } from "./stored-items.ts";
import { etagOf, isSuperseded, unexpected } from "./transaction.ts";

/** Sorts by creation. */
const listedAs = ({ created_at_ms, batch_id }: Pick<Batch, "created_at_ms" | "batch_id">) =>
  `batch/${String(created_at_ms).padStart(15, "0")}/${batch_id}`;
const keyOf = ({ tenant_id, batch_id: job_id }: BatchKey) => ({ tenant_id, job_id });
const PAGE_LINES = 500;

/** A batch and how far it is lie in one logical partition: one transaction changes both. */
export class CosmosBatches implements BatchStore {
  readonly #jobs: StoredItems;
  readonly #retention: Retention;
  readonly #clock: { now(): number };

  constructor(jobs: StoredItems, retention: Retention, clock: { now(): number }) {
    this.#jobs = jobs;
    this.#retention = retention;
    this.#clock = clock;
  }

  async create(batch: Batch, dueMs: number): Promise<boolean> {
    const written = await this.#jobs.write(
      ITEMS.batch,
      batchPlace(batch),
      this.#item(batch, dueMs),
      undefined,
    );
    return written.kind === "written";
  }

  async read(key: BatchKey): Promise<StoredBatch | undefined> {
    const found = await this.#jobs.read(ITEMS.batch, batchPlace(key));
    return found && { batch: batchOf(found.value), etag: found.etag };
  }

  async readProgress(key: BatchKey): Promise<StoredProgress> {
    const found = await this.#jobs.read(ITEMS.progress, progressPlace(key));
    if (found === undefined) return { progress: NOTHING_READ, etag: undefined };
    const { is_read: isRead, reported, cursor, output, errors, ...rest } = found.value;
    const { seen_ts, checked_at_ms, check_from } = rest;
    const looked = { seen_ts, checked_at_ms, check_from };
    const progress = { isRead, reported: LineSet.of(reported), cursor, output, errors, ...looked };
    return { progress, etag: found.etag };
  }

  async write(
    from: StoredBatch,
    batch: Batch,
    dueMs: number | null,
    { progress, outbox = [] }: Parameters<BatchStore["write"]>[3] = {},
  ): Promise<Written | "superseded"> {
    const place = batchPlace(batch);
    const result = await this.#jobs.batch("write batch", place.partition, [
      this.#jobs.writing(ITEMS.batch, place, this.#item(batch, dueMs), from.etag),
      ...(progress === undefined
        ? []
        : [
            this.#jobs.writing(
              ITEMS.progress,
              progressPlace(batch),
              this.#progressItem(batch, progress.to),
              progress.from.etag,
            ),
          ]),
      ...outbox.map((item) => outboxWrite(this.#jobs, keyOf(batch), item, this.#clock.now())),
    ]);
    if (result.kind === "refused") {
      if (isSuperseded(result.status)) return "superseded";
      throw unexpected("write batch", result.status);
    }
    const [first, second] = result.responses;
    return {
      batch: { batch, etag: etagOf(first) },
      progress: progress && { progress: progress.to, etag: etagOf(second) },
    };
  }

  #item(batch: Batch, dueMs: number | null): Record<string, unknown> {
    const { batch_id, ...fields } = batch;
    return {
      ...{ ...fields, job_id: batch_id, listed: listedAs(batch), ttl: this.#ttl(batch) },
      ...(dueMs === null ? {} : { due_at_ms: dueMs }),
    };
  }

  #progressItem(batch: Batch, { isRead, reported, ...progress }: Progress): Record<string, unknown> {
    const { tenant_id, batch_id: job_id } = batch;
    const fields = { ...progress, is_read: isRead, reported: String(reported) };
    return { ...{ tenant_id, job_id }, ...fields, ttl: this.#ttl(batch) };
  }

  #ttl({ expires_at_ms }: Batch): number {
    return ttlSeconds("content", { deadline_ms: expires_at_ms }, this.#clock.now(), this.#retention);
  }

  async list(tenantId: string, { limit, after }: Parameters<BatchStore["list"]>[1]) {
    const query = {
      ...{ top: limit + 1, where: "c.listed >= @from AND c.listed < @to", orderBy: "c.listed DESC" },
      parameters: { "@from": "batch/", "@to": after === undefined ? "batch/~" : listedAs(after) } as const,
    };
    const found = await this.#jobs.find(ITEMS.batch, query, ITEMS.batch.document, { partition: [tenantId] });
    return { batches: found.slice(0, limit).map(batchOf), hasMore: found.length > limit };
  }

  async *ended({ tenant_id, batch_id }: BatchKey, sinceTs: number): AsyncGenerator<readonly EndedLine[]> {
    const query = {
      where: "c.unreported = @batch AND c._ts >= @since",
      parameters: { "@batch": batch_id, "@since": sinceTs } as const,
    };
    const where = { partition: [tenant_id], pageItems: PAGE_LINES };
    for await (const page of this.#jobs.pages(ITEMS.job, query, rawItem, where))
      yield page.flatMap((item) => this.#jobs.readable(() => endedOf(item)).flat());
  }

  async due(nowMs: number, limit: number): Promise<readonly StoredBatch[]> {
    const query = { top: limit, where: "c.due_at_ms <= @now", parameters: { "@now": nowMs } as const };
    const row = ITEMS.batch.document.extend({ _etag: rawItem.shape.id });
    const found = await this.#jobs.find(ITEMS.batch, query, row, { pageItems: limit });
    return found.map((item) => ({ batch: batchOf(item), etag: item._etag }));
  }
}

function endedOf(item: z.infer<typeof rawItem>): EndedLine[] {
  const job = jobOf(item);
  const { batch_line: line, custom_id: customId = "" } = job;
  return isEnded(job) && line !== undefined ? [{ job, line, customId, writtenTs: Number(item._ts) }] : [];
}

function batchOf(item: z.infer<typeof ITEMS.batch.document>): Batch {
  const { id: _, v: _v, kind: _kind, job_id, listed: _listed, due_at_ms: _due, ...fields } = item;
  const own = Object.fromEntries(
    Object.entries(fields).filter(([name]) => !name.startsWith("_") && name !== "ttl"),
  );
  return { ...own, batch_id: job_id } as unknown as Batch;
}
