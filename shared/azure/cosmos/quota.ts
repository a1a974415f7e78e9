import type {
  DispatcherLease,
  DispatcherLeases,
  DispatcherLedger,
  PoolRecord,
  PoolWrite,
  ReplacedAll,
  Report,
  Reports,
} from "../../quota/ports.ts";
import type { Stored, WriteResult } from "../../store.ts";
import { dispatcherLeasePlace, ITEMS, poolPlace, QUOTA_SCOPE, REPORTS_SCOPE, reportPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";
import { etagOf, isSuperseded, unexpected } from "./transaction.ts";

/** Nothing is believed: whoever reads it puts the catalogue's limits in, as for a pool that was never stored. */
const NO_BELIEF: PoolRecord = {
  pool: { requests: null, tokens: null, not_before_ms: 0 },
  breakers: {},
  backlog_until_ms: 0,
};
/** Free: whoever takes it does so by its etag, and a live holder hears of that. */
const FREE: DispatcherLease = { holder: null, renewals: 0 };

/**
 * The items of the `control` container by which instances share quota; each is replaced by etag. One that cannot be
 * read is taken for an empty one and written over: answers teach the same again, and a stuck pool would stop its models.
 */
export class CosmosQuotaLedger implements DispatcherLedger {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async read(pool: string): Promise<Stored<PoolRecord> | undefined> {
    const found = await this.#control.readOrTell(ITEMS.quota_pool, poolPlace(pool));
    return found && { value: found.value?.value ?? NO_BELIEF, etag: found.etag };
  }

  write(pool: string, record: PoolRecord, etag: string | undefined): Promise<WriteResult> {
    return this.#control.write(ITEMS.quota_pool, poolPlace(pool), { value: record }, etag);
  }

  async writeAll(writes: readonly PoolWrite[]): Promise<ReplacedAll> {
    const operations = writes.map(({ pool, record, etag }) =>
      this.#control.writing(ITEMS.quota_pool, poolPlace(pool), { value: record }, etag),
    );
    const result = await this.#control.batch("write quota_pools", QUOTA_SCOPE, operations);
    if (result.kind === "done") return { kind: "written", etags: result.responses.map(etagOf) };
    if (isSuperseded(result.status)) return { kind: "superseded", at: result.at };
    throw unexpected("write quota_pools", result.status);
  }
}

export class CosmosDispatcherLeases implements DispatcherLeases {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async read(): Promise<Stored<DispatcherLease> | undefined> {
    const found = await this.#control.readOrTell(ITEMS.dispatcher_lease, dispatcherLeasePlace);
    return found && { value: found.value?.value ?? FREE, etag: found.etag };
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
