import { z } from "zod";
import { type PoolRecord, poolRecordOf, storedPoolRecord } from "../../quota/pool-record.ts";
import type {
  DispatcherLease,
  DispatcherLeases,
  PoolsWritten,
  PoolWrite,
  QuotaLedger,
  Report,
  Reports,
  StoredLease,
} from "../../quota/ports.ts";
import type { Stored, WriteResult } from "../../store.ts";
import { dispatcherLeasePlace, ITEMS, poolPlace, QUOTA_SCOPE, REPORTS_SCOPE, reportPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";
import { etagOf, isSuperseded, unexpected } from "./transaction.ts";

/**
 * The items of the `control` container by which instances share quota; each is replaced by etag. One that cannot be
 * read is taken for an empty one and written over: answers teach the same again, and a stuck pool would stop its models.
 */
export class CosmosQuotaLedger implements QuotaLedger {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async read(pool: string): Promise<Stored<PoolRecord> | undefined> {
    const found = await this.#control.readOrTell(ITEMS.quota_pool, poolPlace(pool));
    return found && { value: poolRecordOf(found.value?.value), etag: found.etag };
  }

  /** The pools are in one logical partition, so many can be in one batch. */
  async write(writes: readonly PoolWrite[]): Promise<PoolsWritten> {
    const [one, ...more] = writes;
    if (one !== undefined && more.length === 0) {
      const value = storedPoolRecord(one.record);
      const written = await this.#control.write(ITEMS.quota_pool, poolPlace(one.pool), { value }, one.etag);
      return written.kind === "written"
        ? { kind: "written", etags: [written.etag] }
        : { kind: "superseded", at: 0 };
    }
    const operations = writes.map(({ pool, record, etag }) =>
      this.#control.writing(ITEMS.quota_pool, poolPlace(pool), { value: storedPoolRecord(record) }, etag),
    );
    const result = await this.#control.batch("write quota_pools", QUOTA_SCOPE, operations);
    if (result.kind === "done") return { kind: "written", etags: result.responses.map(etagOf) };
    if (isSuperseded(result.status)) return { kind: "superseded", at: result.at };
    throw unexpected("write quota_pools", result.status);
  }
}

/** A lease that cannot be read is free. It is taken by its etag, and a live holder hears of that. */
const FREE: DispatcherLease = { holder: null, renewals: 0 };
const LEASE_FIELDS =
  "c.id, c.scope, c.v, c.kind, c['value'], c._etag, c._ts, GetCurrentTimestamp() AS read_ms";
const timedRow = z.object({ _etag: z.string(), _ts: z.number(), read_ms: z.number() });

export class CosmosDispatcherLeases implements DispatcherLeases {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  /** Reads it by a query, which tells the store's own clock as well. */
  async read(): Promise<StoredLease | undefined> {
    const where = { partition: QUOTA_SCOPE };
    const [found] = await this.#control.findOrTell(ITEMS.dispatcher_lease, { select: LEASE_FIELDS }, where);
    if (found === undefined) return undefined;
    const { _etag, _ts, read_ms } = timedRow.parse(found.row);
    return { value: found.value?.value ?? FREE, etag: _etag, age_ms: read_ms - _ts * 1000 };
  }

  write(lease: DispatcherLease, etag: string | undefined): Promise<WriteResult> {
    return this.#control.write(ITEMS.dispatcher_lease, dispatcherLeasePlace, { value: lease }, etag);
  }
}

/** One item an instance, written over each time. */
export class CosmosQuotaReports implements Reports {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async write(report: Report, nowMs: number): Promise<void> {
    await this.#control.put(ITEMS.quota_report, reportPlace(report.instance), { at_ms: nowMs, report });
  }

  async since(sinceMs: number): Promise<readonly Report[]> {
    const query = { where: "c.at_ms > @since", parameters: { "@since": sinceMs } };
    const found = await this.#control.find(ITEMS.quota_report, query, ITEMS.quota_report.document, {
      partition: REPORTS_SCOPE,
    });
    return found.map(({ report }) => report);
  }
}
