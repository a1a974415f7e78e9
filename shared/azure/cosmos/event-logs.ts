import type { OperationInput } from "@azure/cosmos";
import type { Clock } from "../../clock.ts";
import type { EventLogStore, LoggedEvent, LogHead } from "../../events/ports.ts";
import type { JobKey, Stored, WriteResult } from "../../store.ts";
import { jobKey } from "./documents.ts";
import { eventLogPlace, eventsPlace, ITEMS, partitionOf } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";
import { etagOf, isSuperseded, unexpected } from "./transaction.ts";

/** Items that are read at once; each holds what was written at once. */
const PAGE_ITEMS = 20;
/** A batch holds a hundred operations. */
const DELETED_AT_ONCE = 100;

/** Event logs in the `jobs` container, beside their jobs: a head, and an item for each write. */
export class CosmosEventLogs implements EventLogStore {
  readonly #jobs: StoredItems;
  readonly #clock: Pick<Clock, "now">;

  constructor(jobs: StoredItems, clock: Pick<Clock, "now">) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  async head(job: JobKey): Promise<Stored<LogHead> | undefined> {
    const found = await this.#jobs.read(ITEMS.event_log, eventLogPlace(job));
    return found && { value: headOf(found.value), etag: found.etag };
  }

  async append(
    job: JobKey,
    head: LogHead,
    events: readonly LoggedEvent[],
    etag: string | undefined,
    untilMs: number,
  ): Promise<WriteResult> {
    const { tenant_id, job_id } = job;
    const ttl = Math.max(1, Math.ceil((untilMs - this.#clock.now()) / 1000));
    const last = events.at(-1)?.number;
    const fields = { tenant_id, job_id, ttl };
    const operations = [
      this.#jobs.writing(ITEMS.event_log, eventLogPlace(job), { ...fields, ...head }, etag),
      ...(last === undefined
        ? []
        : [this.#jobs.writing(ITEMS.events, eventsPlace(job, last), { ...fields, events })]),
    ];
    const result = await this.#jobs.batch("append events", partitionOf(job), operations);
    if (result.kind === "done") return { kind: "written", etag: etagOf(result.responses[0]) };
    if (isSuperseded(result.status)) return { kind: "superseded" };
    throw unexpected("append events", result.status);
  }

  /** Each item is named by its last event: those from `from` on are in items that are named so or later. */
  async read(job: JobKey, from: number): Promise<readonly LoggedEvent[]> {
    const query = {
      ...{ byIds: true as const, top: PAGE_ITEMS, where: "c.id >= @from", orderBy: "c.id" },
      parameters: { "@from": eventsPlace(job, from).id },
    };
    const where = { partition: partitionOf(job) };
    const items = await this.#jobs.find(ITEMS.events, query, ITEMS.events.document, where);
    return items.flatMap(({ events }) => events).filter(({ number }) => number >= from);
  }

  async erase(job: JobKey): Promise<void> {
    const partition = partitionOf(job);
    const query = { byIds: true as const, select: "c.id", top: DELETED_AT_ONCE };
    for (;;) {
      const items = await this.#jobs.find(ITEMS.events, query, idRow, { partition });
      if (items.length === 0) break;
      const deletes = items.map(({ id }): OperationInput => ({ operationType: "Delete", id }));
      const result = await this.#jobs.batch("erase events", partition, deletes);
      // 404: another erases it at the same time.
      if (result.kind === "refused" && result.status !== 404) throw unexpected("erase events", result.status);
    }
    const head = await this.#jobs.read(ITEMS.event_log, eventLogPlace(job));
    if (head?.value.wake_at_ms === undefined) return;
    const { wake_at_ms: _, ...rest } = headOf(head.value);
    const { tenant_id, job_id } = job;
    const fields = { tenant_id, job_id, ttl: head.value.ttl, ...rest };
    // Superseded: another has done it.
    await this.#jobs.write(ITEMS.event_log, eventLogPlace(job), fields, head.etag);
  }

  erasing(nowMs: number, limit: number): Promise<readonly JobKey[]> {
    const query = {
      ...{ byIds: true as const, top: limit, select: "c.tenant_id, c.job_id" },
      ...{ where: "c.wake_at_ms <= @now", orderBy: "c.wake_at_ms", parameters: { "@now": nowMs } },
    };
    return this.#jobs.find(ITEMS.event_log, query, jobKey);
  }
}

const idRow = ITEMS.events.document.pick({ id: true });

function headOf({ claim_id, attempt, next, ended, wake_at_ms }: LogHead): LogHead {
  return {
    ...{ claim_id, attempt, next },
    ...(ended === undefined ? {} : { ended }),
    ...(wake_at_ms === undefined ? {} : { wake_at_ms }),
  };
}
