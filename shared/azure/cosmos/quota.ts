import type { Container, OperationInput } from "@azure/cosmos";
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

function sharedItem(id: string, kind: string, value: object): object {
  return { id, scope: SCOPE, v: STORED_VERSION, kind, value };
}

/** The items of the `control` container by which instances share quota; each is replaced by etag. */
class SharedItem<T extends object> {
  readonly #control: Container;
  readonly #id: string;
  readonly #kind: string;

  constructor(control: Container, id: string, kind: string) {
    this.#control = control;
    this.#id = id;
    this.#kind = kind;
  }

  async read(): Promise<Stored<T> | undefined> {
    const { resource, etag } = await storeOperation(`read ${this.#kind}`, (abortSignal) =>
      this.#control.item(this.#id, SCOPE).read<{ value: T }>({ abortSignal }),
    );
    return resource === undefined ? undefined : { value: resource.value, etag };
  }

  async write(value: T, etag: string | undefined): Promise<WriteResult> {
    const item = sharedItem(this.#id, this.#kind, value);
    return storeOperation(`write ${this.#kind}`, async (abortSignal) => {
      try {
        const response =
          etag === undefined
            ? await this.#control.items.create(item, { abortSignal })
            : await this.#control.item(this.#id, SCOPE).replace(item, {
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
}

export class CosmosQuotaLedger implements DispatcherLedger {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  #item(pool: string): SharedItem<PoolRecord> {
    return new SharedItem(this.#control, poolId(pool), POOL_KIND);
  }

  read(pool: string): Promise<Stored<PoolRecord> | undefined> {
    return this.#item(pool).read();
  }

  write(pool: string, record: PoolRecord, etag: string | undefined): Promise<WriteResult> {
    return this.#item(pool).write(record, etag);
  }

  /** The pools are in one logical partition, so many can be in one batch. */
  async writeAll(writes: readonly PoolWrite[]): Promise<ReplacedAll> {
    const operations = writes.map(poolOperation);
    const result = await transaction("write quota_pools", this.#control, SCOPE, operations, false);
    if (result.kind === "done") return { kind: "written", etags: result.responses.map(etagOf) };
    if (isSuperseded(result.status)) return { kind: "superseded", at: result.at };
    throw unexpected("write quota_pools", result.status);
  }
}

function poolOperation({ pool, record, etag }: PoolWrite): OperationInput {
  const id = poolId(pool);
  const resourceBody = itemBody(sharedItem(id, POOL_KIND, record));
  return etag === undefined
    ? createOf(resourceBody)
    : { operationType: "Replace", id, ifMatch: etag, resourceBody };
}

export class CosmosDispatcherLeases implements DispatcherLeases {
  readonly #item: SharedItem<DispatcherLease>;

  constructor(control: Container) {
    this.#item = new SharedItem(control, LEASE_ID, "dispatcher_lease");
  }

  read(): Promise<Stored<DispatcherLease> | undefined> {
    return this.#item.read();
  }

  write(lease: DispatcherLease, etag: string | undefined): Promise<WriteResult> {
    return this.#item.write(lease, etag);
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
