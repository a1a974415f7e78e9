import type {
  DispatcherLease,
  DispatcherLeases,
  DispatcherLedger,
  ParkedJob,
  ParkedJobs,
  PoolRecord,
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
  /** Instances' writes of pools: slices taken, and what answers said. */
  instances: number;
  reports: number;
  superseded: number;
  reads: number;
  queries: number;
}

/** What the scheduler's parts ask of Cosmos DB, in memory: each operation takes its time and is counted. */
export class MemoryStore {
  readonly asked: Asked = {
    ...{ lease: 0, dispatcher: 0, items: 0, instances: 0, reports: 0, superseded: 0, reads: 0, queries: 0 },
  };
  readonly waiting = new Map<string, ParkedJob>();
  readonly #turn: () => Promise<void>;
  readonly #pools = new Map<string, Stored<PoolRecord>>();
  readonly #reports = new Map<string, { atMs: number; report: Report }>();
  #lease: Stored<DispatcherLease> | undefined;
  #etags = 0;

  /** @param turn half of an operation's time: to the store, or back */
  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
  }

  async #operation<T>(run: () => T): Promise<T> {
    await this.#turn();
    const result = run();
    await this.#turn();
    return result;
  }

  #query<T>(found: () => readonly T[]): Promise<readonly T[]> {
    this.asked.queries++;
    return this.#operation(found);
  }

  #replaced<T>(stored: Stored<T> | undefined, etag: string | undefined, value: T): Stored<T> | undefined {
    if (stored?.etag !== etag) {
      this.asked.superseded++;
      return undefined;
    }
    return { value, etag: String(++this.#etags) };
  }

  readonly leases: DispatcherLeases = {
    read: () => {
      this.asked.reads++;
      return this.#operation(() => this.#lease);
    },
    write: (lease, etag) => {
      this.asked.lease++;
      return this.#operation((): WriteResult => {
        const next = this.#replaced(this.#lease, etag, lease);
        if (next === undefined) return { kind: "superseded" };
        this.#lease = next;
        return { kind: "written", etag: next.etag };
      });
    },
  };

  ledgerOf(whose: "dispatcher" | "instances"): DispatcherLedger {
    const writeAll: DispatcherLedger["writeAll"] = (writes) => {
      this.asked[whose]++;
      if (whose === "dispatcher") this.asked.items += writes.length;
      return this.#operation(() => {
        const at = writes.findIndex(({ pool, etag }) => this.#pools.get(pool)?.etag !== etag);
        if (at >= 0) {
          this.asked.superseded++;
          return { kind: "superseded", at };
        }
        for (const { pool, record } of writes)
          this.#pools.set(pool, { value: record, etag: String(++this.#etags) });
        return { kind: "written", etags: writes.map(({ pool }) => this.#pools.get(pool)?.etag ?? "") };
      });
    };
    return {
      writeAll,
      read: (pool) => {
        this.asked.reads++;
        return this.#operation(() => this.#pools.get(pool));
      },
      write: async (pool, record, etag) => {
        const written = await writeAll([{ pool, record, etag }]);
        return written.kind === "written"
          ? { kind: "written", etag: written.etags[0] ?? "" }
          : { kind: "superseded" };
      },
    };
  }

  readonly reports: Reports = {
    write: (report, atMs) => {
      this.asked.reports++;
      return this.#operation(() => void this.#reports.set(report.instance, { atMs, report }));
    },
    since: (sinceMs) =>
      this.#query(() =>
        [...this.#reports.values()].filter(({ atMs }) => atMs > sinceMs).map(({ report }) => report),
      ),
  };

  readonly parked: ParkedJobs = {
    parkedAfter: (parkedMs, limit) =>
      this.#query(() =>
        this.#jobs(
          (job) => job.parked_ms > parkedMs,
          (a, b) => a.parked_ms - b.parked_ms,
        ).slice(0, limit),
      ),
    inLine: ({ after, before }, limit) =>
      this.#query(() =>
        this.#jobs(
          ({ place }) => place > after && (before === undefined || place < before),
          (a, b) => (a.place < b.place ? -1 : 1),
        ).slice(0, limit),
      ),
    dueBefore: (deadlineMs, limit) =>
      this.#query(() =>
        this.#jobs(
          (job) => job.deadline_ms < deadlineMs,
          (a, b) => a.deadline_ms - b.deadline_ms,
        ).slice(0, limit),
      ),
  };

  #jobs(is: (job: ParkedJob) => boolean, order: (a: ParkedJob, b: ParkedJob) => number): ParkedJob[] {
    return [...this.waiting.values()].filter(is).sort(order);
  }
}
