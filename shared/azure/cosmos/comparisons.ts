import type { OperationInput } from "@azure/cosmos";
import type { z } from "zod";
import type { Clock } from "../../clock.ts";
import type { Comparison } from "../../comparison/comparison.ts";
import type { ComparisonStore } from "../../comparison/ports.ts";
import type { OutboxItem } from "../../job/ending/outbox.ts";
import type { StoredRequest } from "../../job/job.ts";
import type { JobKey, Stored, WriteResult } from "../../store.ts";
import { bodyFieldsOf, CosmosContent } from "./content.ts";
import { bodyDocument } from "./documents.ts";
import { comparisonPlace, contentPlace, ITEMS, partitionOf, writingPlace } from "./items.ts";
import { outboxWrite } from "./outbox.ts";
import type { StoredItems } from "./stored-items.ts";
import { etagOf, isSuperseded, unexpected } from "./transaction.ts";

const TIME_DIGITS = 12;
/** Sorts as they were made. */
const placeOf = ({ created_at_ms, job_id }: Comparison): string =>
  `${created_at_ms.toString(16).padStart(TIME_DIGITS, "0")}${job_id}`;

/** Each comparison is a logical partition, with its request and what is told of its end. */
export class CosmosComparisons implements ComparisonStore {
  readonly #jobs: StoredItems;
  readonly #contents: CosmosContent;
  readonly #clock: Pick<Clock, "now" | "monotonic">;

  constructor(jobs: StoredItems, clock: Pick<Clock, "now" | "monotonic">) {
    this.#jobs = jobs;
    this.#clock = clock;
    this.#contents = new CosmosContent(jobs, clock);
  }

  async create(
    comparison: Comparison,
    request: StoredRequest,
  ): Promise<WriteResult | { readonly kind: "exists" }> {
    const { tenant_id, job_id } = comparison;
    const ttl = this.#ttl(comparison);
    const { fields, uncommitted } = await this.#contents.put({ tenant_id, job_id }, request.body, ttl);
    const operations: OperationInput[] = [
      this.#jobs.writing(ITEMS.comparison, comparisonPlace(comparison), this.#fieldsOf(comparison)),
      this.#jobs.writing(ITEMS.request, contentPlace(comparison, "request"), {
        ...{ tenant_id, job_id, ...fields, ttl },
      }),
      ...(uncommitted === undefined
        ? []
        : [{ operationType: "Delete" as const, id: writingPlace(comparison, uncommitted).id }]),
    ];
    const result = await this.#jobs.batch("compare", partitionOf(comparison), operations);
    if (result.kind === "done") return { kind: "written", etag: etagOf(result.responses[0]) };
    if (result.status === 409) return { kind: "exists" };
    // Its chunks may be gone: another try writes them anew.
    if (uncommitted !== undefined) this.#contents.forget(uncommitted);
    throw unexpected("compare", result.status);
  }

  async read(key: JobKey): Promise<Stored<Comparison> | undefined> {
    const found = await this.#jobs.read(ITEMS.comparison, comparisonPlace(key));
    return found && { value: comparisonOf(found.value), etag: found.etag };
  }

  async readRequest(key: JobKey): Promise<StoredRequest | undefined> {
    const found = await this.#jobs.read(ITEMS.request, contentPlace(key, "request"));
    return found && { body: await this.#contents.read(key, bodyFieldsOf(found.value)) };
  }

  async write(comparison: Comparison, etag: string, outbox: readonly OutboxItem[]): Promise<WriteResult> {
    const place = comparisonPlace(comparison);
    const operations: OperationInput[] = [
      this.#jobs.writing(ITEMS.comparison, place, this.#fieldsOf(comparison), etag),
      ...outbox.map((item) => outboxWrite(this.#jobs, comparison, item, this.#clock.now())),
    ];
    const result = await this.#jobs.batch("comparison", partitionOf(comparison), operations);
    if (result.kind === "done") return { kind: "written", etag: etagOf(result.responses[0]) };
    if (isSuperseded(result.status)) return { kind: "superseded" };
    throw unexpected("comparison", result.status);
  }

  async eraseRequest(key: JobKey): Promise<void> {
    const place = contentPlace(key, "request");
    const chunks = bodyDocument.safeParse((await this.#jobs.readRaw(ITEMS.request, place))?.value).data
      ?.chunks;
    if (chunks !== undefined) await this.#contents.remove(key, chunks.content_id);
    await this.#jobs.remove(ITEMS.request, place);
  }

  async list(
    tenantId: string,
    { limit, after }: Parameters<ComparisonStore["list"]>[1],
  ): ReturnType<ComparisonStore["list"]> {
    const query = {
      ...{ top: limit + 1, orderBy: "c.comparison.place DESC" },
      ...(after === undefined
        ? { where: "c.comparison.place >= ''" }
        : { where: "c.comparison.place < @after", parameters: { "@after": placeOf(after) } }),
    };
    const where = { partition: [tenantId] };
    const found = await this.#jobs.find(ITEMS.comparison, query, ITEMS.comparison.document, where);
    return { comparisons: found.slice(0, limit).map(comparisonOf), hasMore: found.length > limit };
  }

  #ttl({ content_until_ms }: Comparison): number {
    return Math.max(1, Math.ceil((content_until_ms - this.#clock.now()) / 1000));
  }

  #fieldsOf(comparison: Comparison) {
    return { ...comparison, comparison: { place: placeOf(comparison) }, ttl: this.#ttl(comparison) };
  }
}

/** The comparison without what the store adds to an item. */
function comparisonOf(item: z.infer<typeof ITEMS.comparison.document>): Comparison {
  const { tenant_id, job_id, endpoint, models, priority, metadata, envelope_sha256, actor, validated } = item;
  const { created_at_ms, deadline_ms, content_until_ms } = item;
  const { cancelled_by, end, erased_by, wake_at_ms } = item;
  return {
    ...{ tenant_id, job_id, endpoint, models, priority, metadata, envelope_sha256, actor, validated },
    ...{ created_at_ms, deadline_ms, content_until_ms },
    ...(cancelled_by === undefined ? {} : { cancelled_by }),
    ...(end === undefined ? {} : { end }),
    ...(erased_by === undefined ? {} : { erased_by }),
    ...(wake_at_ms === undefined ? {} : { wake_at_ms }),
  };
}
