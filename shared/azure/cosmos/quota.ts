import type { Container, OperationInput } from "@azure/cosmos";
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
import { STORED_VERSION } from "../../store.ts";
import { statusOf, storeOperation } from "./client.ts";
import { createOf, etagOf, isSuperseded, itemBody, transaction, unexpected } from "./transaction.ts";

const SCOPE = "quota";
const REPORTS_SCOPE = "quota_reports";
const LEASE_ID = "dispatcher";
const POOL_KIND = "quota_pool";
/** `/ \ ? #` may not stand in an id, and a pool's name may hold a slash. */
const poolId = (pool: string) => `pool-${encodeURIComponent(pool)}`;
/** An instance that has not reported for so long is gone. */
const REPORT_TTL_SECONDS = 3_600;

function sharedItem(id: string, kind: string, value: object) {
  return { id, scope: SCOPE, v: STORED_VERSION, kind, value };
}

/** Over the version of that etag, or as the first one. */
function replaced(
  control: Container,
  item: ReturnType<typeof sharedItem>,
  etag: string | undefined,
): Promise<WriteResult> {
  return storeOperation(`write ${item.kind}`, async (abortSignal) => {
    try {
      const response =
        etag === undefined
          ? await control.items.create(item, { abortSignal })
          : await control.item(item.id, SCOPE).replace(item, {
              abortSignal,
              accessCondition: { type: "IfMatch", condition: etag },
            });
      return { kind: "written", etag: response.etag };
    } catch (thrown) {
      const status = statusOf(thrown);
      if (status !== undefined && isSuperseded(status)) return { kind: "superseded" };
      throw thrown;
    }
  });
}

function poolItem({ pool, record }: PoolWrite) {
  return sharedItem(poolId(pool), POOL_KIND, storedPoolRecord(record));
}

export class CosmosQuotaLedger implements QuotaLedger {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async read(pool: string): Promise<Stored<PoolRecord> | undefined> {
    const { resource, etag } = await storeOperation("read quota_pool", (abortSignal) =>
      this.#control.item(poolId(pool), SCOPE).read<{ value: unknown }>({ abortSignal }),
    );
    return resource === undefined ? undefined : { value: poolRecordOf(resource.value), etag };
  }

  /** The pools are in one logical partition, so many can be in one batch. */
  async write(writes: readonly PoolWrite[]): Promise<PoolsWritten> {
    const [one, ...more] = writes;
    if (one !== undefined && more.length === 0) {
      const written = await replaced(this.#control, poolItem(one), one.etag);
      return written.kind === "written"
        ? { kind: "written", etags: [written.etag] }
        : { kind: "superseded", at: 0 };
    }
    const operations = writes.map(poolOperation);
    const result = await transaction("write quota_pools", this.#control, SCOPE, operations, false);
    if (result.kind === "done") return { kind: "written", etags: result.responses.map(etagOf) };
    if (isSuperseded(result.status)) return { kind: "superseded", at: result.at };
    throw unexpected("write quota_pools", result.status);
  }
}

function poolOperation(write: PoolWrite): OperationInput {
  const { etag } = write;
  const item = poolItem(write);
  const resourceBody = itemBody(item);
  const { id } = item;
  return etag === undefined
    ? createOf(resourceBody)
    : { operationType: "Replace", id, ifMatch: etag, resourceBody };
}

export class CosmosDispatcherLeases implements DispatcherLeases {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  /** By a query, which tells the store's own clock as well. */
  async read(): Promise<StoredLease | undefined> {
    const query = {
      query:
        "SELECT c._etag, c._ts, c['value'] AS lease, GetCurrentTimestamp() AS read_ms FROM c WHERE c.id = @id",
      parameters: [{ name: "@id", value: LEASE_ID }],
    };
    interface Row {
      readonly _etag: string;
      readonly _ts: number;
      readonly lease: DispatcherLease;
      readonly read_ms: number;
    }
    const { resources } = await storeOperation("read dispatcher_lease", (abortSignal) =>
      this.#control.items.query<Row>(query, { partitionKey: SCOPE, abortSignal }).fetchAll(),
    );
    const [row] = resources;
    return row && { value: row.lease, etag: row._etag, age_ms: row.read_ms - row._ts * 1000 };
  }

  write(lease: DispatcherLease, etag: string | undefined): Promise<WriteResult> {
    return replaced(this.#control, sharedItem(LEASE_ID, "dispatcher_lease", lease), etag);
  }
}

/** One item an instance, written over each time. */
export class CosmosQuotaReports implements Reports {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async write(report: Report, nowMs: number): Promise<void> {
    const item = {
      ...{ id: report.instance, scope: REPORTS_SCOPE, v: STORED_VERSION, kind: "quota_report" },
      ...{ at_ms: nowMs, report, ttl: REPORT_TTL_SECONDS },
    };
    await storeOperation("write report", (abortSignal) => this.#control.items.upsert(item, { abortSignal }));
  }

  async since(sinceMs: number): Promise<readonly Report[]> {
    const query = {
      query: "SELECT VALUE c.report FROM c WHERE c.at_ms > @since",
      parameters: [{ name: "@since", value: sinceMs }],
    };
    const found = await storeOperation("read reports", (abortSignal) =>
      this.#control.items.query<Report>(query, { partitionKey: REPORTS_SCOPE, abortSignal }).fetchAll(),
    );
    return found.resources;
  }
}
