import type { Container, SqlQuerySpec } from "@azure/cosmos";
import { z } from "zod";
import type { Clock } from "../../clock.ts";
import type { Overdue, SeenLease, Stretch, SweptJobs } from "../../job/ports.ts";
import { storeOperation } from "./client.ts";
import { jobKey } from "./documents.ts";
import { ITEMS } from "./items.ts";
import { queryOf } from "./queries.ts";

/** Any logical partition: a question about the store's clock is for one, not for all of them. */
const NOBODY = ["sweeper", "clock"];

/** Steady clocks part by far less than a millisecond in so long. */
const ASK_AGAIN_MS = 60_000;

/** The time is bounded on both sides, because an index is read term by term. */
const WRITTEN = "c._ts >= @from AND c._ts <= @to";

const parametersOf = (nowMs: number, { fromMs, toMs }: Stretch) => ({
  ...{ "@now": nowMs, "@from": Math.floor(fromMs / 1000), "@to": Math.floor(toMs / 1000) },
});

const leaseRow = z.object({
  ...{ ...jobKey.shape, _ts: z.number(), read_ms: z.number() },
  lease: z.object({ claim_id: z.string(), renewals: z.number(), seconds: z.number() }),
});

/** What the sweeper looks at, by indexed `wake_at_ms`, `status` and `_ts`: what has ended costs nothing. */
export class CosmosSweptJobs implements SweptJobs {
  readonly #jobs: Container;
  readonly #clock: Pick<Clock, "monotonic">;
  #told: { readonly nowMs: number; readonly at: number } | undefined;

  constructor(jobs: Container, clock: Pick<Clock, "monotonic">) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  /** Asked now and then; in between, this process's steady clock counts on from there. */
  async now(): Promise<number> {
    const known = this.#told;
    if (known === undefined || this.#clock.monotonic() - known.at >= ASK_AGAIN_MS) {
      const options = { partitionKey: NOBODY, maxItemCount: 1 };
      const [nowMs] = await this.#query<number>("store clock", "SELECT VALUE GetCurrentTimestamp()", options);
      if (nowMs === undefined) throw new TypeError("the store does not tell its time");
      // However slow the answer was: a time that is behind costs time alone.
      this.#told = { nowMs, at: this.#clock.monotonic() };
      return nowMs;
    }
    return Math.floor(known.nowMs + this.#clock.monotonic() - known.at);
  }

  async isAnyDue(nowMs: number, written: Stretch): Promise<boolean> {
    const query = queryOf(ITEMS.job, {
      ...{ top: 1, select: "c.job_id", orderBy: "c.wake_at_ms" },
      where: `c.wake_at_ms <= @now OR (c.status = 'in_progress' AND ${WRITTEN})`,
      parameters: parametersOf(nowMs, written),
    });
    const found = await this.#query<{ job_id: string }>("due", query, { maxItemCount: 1 });
    return found.length > 0;
  }

  overdue(nowMs: number, limit: number): Promise<readonly Overdue[]> {
    const query = queryOf(ITEMS.job, {
      ...{ top: limit, select: "c.tenant_id, c.job_id, c.status" },
      ...{ where: "c.wake_at_ms <= @now", orderBy: "c.wake_at_ms", parameters: { "@now": nowMs } },
    });
    return this.#query<Overdue>("overdue", query, { maxItemCount: limit });
  }

  async lateLeases(nowMs: number, written: Stretch, limit: number): Promise<readonly SeenLease[]> {
    const query = queryOf(ITEMS.job, {
      ...{ top: limit, parameters: parametersOf(nowMs, written) },
      select: "c.tenant_id, c.job_id, c.lease, c._ts, GetCurrentTimestamp() AS read_ms",
      where: `c.status = 'in_progress' AND (c.wake_at_ms <= @now OR (${WRITTEN}))`,
    });
    const rows = await this.#query<object>("late leases", query, { maxItemCount: limit });
    return rows.flatMap((row) => {
      // Where it is damaged nobody can hold it; whoever reads the job tells so.
      const { success, data } = leaseRow.safeParse(row);
      if (!success) return [];
      const { tenant_id, job_id, lease, _ts, read_ms } = data;
      const { claim_id, renewals, seconds: lease_seconds } = lease;
      return [{ tenant_id, job_id, claim_id, renewals, lease_seconds, written_ms: _ts * 1000, read_ms }];
    });
  }

  async #query<T>(
    what: string,
    query: SqlQuerySpec | string,
    options: { maxItemCount: number; partitionKey?: string[] },
  ): Promise<T[]> {
    const found = await storeOperation(what, (abortSignal) =>
      this.#jobs.items.query<T>(query, { ...options, abortSignal }).fetchAll(),
    );
    return found.resources;
  }
}
