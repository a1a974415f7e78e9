import type { PoolRecord } from "../../shared/quota/pool-record.ts";
import type {
  DispatcherLease,
  DispatcherLeases,
  JobInLine,
  JobsInLine,
  QuotaLedger,
  Report,
  Reports,
} from "../../shared/quota/ports.ts";
import type { Stored, WriteResult } from "../../shared/store.ts";

/** What was asked of the store; a write that came too late (412) is one of the operations, too. */
export interface Asked {
  lease: number;
  /** The dispatcher's writes of pools, and the pools in them. */
  dispatcher: number;
  items: number;
  /** Instances' writes of pools: slices taken. */
  instances: number;
  reports: number;
  superseded: number;
  reads: number;
  queries: number;
}

/** The store as one process reaches it. */
export interface StoreOf {
  readonly leases: DispatcherLeases;
  readonly dispatcherLedger: QuotaLedger;
  readonly instanceLedger: QuotaLedger;
  readonly reports: Reports;
  readonly line: JobsInLine;
}

/** What the scheduler's parts ask of Cosmos DB, in memory: each operation takes its time and is counted. */
export class MemoryStore {
  readonly asked: Asked = {
    ...{ lease: 0, dispatcher: 0, items: 0, instances: 0, reports: 0, superseded: 0, reads: 0, queries: 0 },
  };
  readonly waiting = new Map<string, JobInLine>();
  /** Deployments of calls that run, by job. */
  readonly running = new Map<string, { readonly deployment: string; readonly tenant_id: string }>();
  readonly #nowMs: () => number;
  readonly #pools = new Map<string, Stored<PoolRecord>>();
  readonly #reports = new Map<string, { atMs: number; report: Report }>();
  #lease: (Stored<DispatcherLease> & { atMs: number }) | undefined;
  #etags = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  #isSuperseded(stored: Stored<unknown> | undefined, etag: string | undefined): boolean {
    if (stored?.etag === etag) return false;
    this.asked.superseded++;
    return true;
  }

  /** @param turn half of an operation's time: to the store, or back */
  of(turn: () => Promise<void>): StoreOf {
    const operation = async <T>(run: () => T): Promise<T> => {
      await turn();
      const result = run();
      await turn();
      return result;
    };
    const read = <T>(run: () => T): Promise<T> => {
      this.asked.reads++;
      return operation(run);
    };
    const query = <T>(run: () => T): Promise<T> => {
      this.asked.queries++;
      return operation(run);
    };
    const ledger = (whose: "dispatcher" | "instances"): QuotaLedger => ({
      read: (pool) => read(() => this.#pools.get(pool)),
      write: (writes) => {
        this.asked[whose]++;
        if (whose === "dispatcher") this.asked.items += writes.length;
        return operation(() => {
          const at = writes.findIndex(({ pool, etag }) => this.#pools.get(pool)?.etag !== etag);
          if (at >= 0) {
            this.asked.superseded++;
            return { kind: "superseded", at };
          }
          for (const { pool, record } of writes)
            this.#pools.set(pool, { value: record, etag: String(++this.#etags) });
          return { kind: "written", etags: writes.map(({ pool }) => this.#pools.get(pool)?.etag ?? "") };
        });
      },
    });
    return {
      dispatcherLedger: ledger("dispatcher"),
      instanceLedger: ledger("instances"),
      leases: {
        read: () => query(() => this.#lease && { ...this.#lease, age_ms: this.#nowMs() - this.#lease.atMs }),
        write: (value, etag) => {
          this.asked.lease++;
          return operation((): WriteResult => {
            if (this.#isSuperseded(this.#lease, etag)) return { kind: "superseded" };
            // Whole seconds, as the store's own clock tells them.
            const atMs = Math.floor(this.#nowMs() / 1000) * 1000;
            this.#lease = { value, etag: String(++this.#etags), atMs };
            return { kind: "written", etag: this.#lease.etag };
          });
        },
      },
      reports: {
        write: (report, atMs) => {
          this.asked.reports++;
          return operation(() => void this.#reports.set(report.instance, { atMs, report }));
        },
        since: (sinceMs) =>
          query(() =>
            [...this.#reports.values()].filter(({ atMs }) => atMs > sinceMs).map(({ report }) => report),
          ),
      },
      line: {
        joinedAfter: (joinedMs, limit) =>
          query(() =>
            this.#jobs(
              (job) => job.joined_ms > joinedMs,
              (a, b) => a.joined_ms - b.joined_ms,
            ).slice(0, limit),
          ),
        inLine: ({ after, before }, limit) =>
          query(() =>
            this.#jobs(
              ({ place }) => place > after && (before === undefined || place < before),
              (a, b) => (a.place < b.place ? -1 : 1),
            ).slice(0, limit),
          ),
        dueBefore: (deadlineMs, limit) =>
          query(() =>
            this.#jobs(
              (job) => job.deadline_ms < deadlineMs,
              (a, b) => a.deadline_ms - b.deadline_ms,
            ).slice(0, limit),
          ),
        latelyServed: () => Promise.resolve([]),
        runningOn: (on) =>
          query(
            () =>
              new Map(
                [...this.running].flatMap(([id, { deployment, tenant_id }]) =>
                  deployment === on ? [[id, tenant_id] as const] : [],
                ),
              ),
          ),
      },
    };
  }

  #jobs(is: (job: JobInLine) => boolean, order: (a: JobInLine, b: JobInLine) => number): JobInLine[] {
    return [...this.waiting.values()].filter(is).sort(order);
  }
}
