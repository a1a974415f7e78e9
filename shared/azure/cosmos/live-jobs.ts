import type { Container } from "@azure/cosmos";
import { z } from "zod";
import type { LiveJob, LiveJobs, RunningCall } from "../../job/backlog.ts";
import { storeOperation } from "./client.ts";
import { ITEMS } from "./items.ts";
import { WAIT_FIELDS, waitOfFields } from "./job-document.ts";
import { countOf, queryOf } from "./queries.ts";

const FIELDS = [
  ...["tenant_id", "job_id", "model", "status", "created_at_ms", "not_before_ms", "wake_at_ms"],
] as const;
type Row = Readonly<Record<string, unknown>>;

/** Of an item that this version cannot read nobody can say why it waits. */
function waitingIn(row: Row): LiveJob["waiting"] {
  if (row.status !== "queued") return null;
  try {
    return waitOfFields(row);
  } catch (thrown) {
    if (thrown instanceof z.ZodError) return null;
    throw thrown;
  }
}

/** Live jobs of all tenants by the indexed `status` and `wake_at_ms`, which ended jobs do not have. */
export class CosmosLiveJobs implements LiveJobs {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  async isAny(): Promise<boolean> {
    const kinds = [ITEMS.job, ITEMS.comparison, ITEMS.operation];
    const order = { where: "c.wake_at_ms >= 0", orderBy: "c.wake_at_ms" };
    const query = queryOf(kinds, { top: 1, select: "c.job_id", ...order });
    const found = await storeOperation("any live job", (abortSignal) =>
      this.#jobs.items.query<{ job_id: string }>(query, { maxItemCount: 1, abortSignal }).fetchAll(),
    );
    return found.resources.length > 0;
  }

  async count(): Promise<{ queued: number; running: number }> {
    const of = async (status: string) => {
      const query = countOf(ITEMS.job, { where: "c.status = @status", parameters: { "@status": status } });
      const found = await storeOperation("count live jobs", (abortSignal) =>
        this.#jobs.items.query<number>(query, { abortSignal }).fetchAll(),
      );
      return found.resources[0] ?? 0;
    };
    const [queued, running] = await Promise.all([of("queued"), of("in_progress")]);
    return { queued, running };
  }

  async soonest(limit: number): Promise<readonly LiveJob[]> {
    const query = queryOf(ITEMS.job, {
      ...{ top: limit, where: "c.wake_at_ms >= 0", orderBy: "c.wake_at_ms" },
      select: [...FIELDS, ...WAIT_FIELDS].map((name) => `c.${name}`).join(", "),
    });
    const found = await storeOperation("live jobs", (abortSignal) =>
      this.#jobs.items.query<Row>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources.map((row) => {
      const fields = Object.fromEntries(FIELDS.map((name) => [name, row[name]])) as unknown;
      return { ...(fields as Omit<LiveJob, "waiting">), waiting: waitingIn(row) };
    });
  }

  async running(limit: number): Promise<readonly RunningCall[]> {
    const query = queryOf(ITEMS.job, {
      ...{ top: limit, where: "c.status = 'in_progress'" },
      select: "c.lease.deployment, c.lease.started_at_ms",
    });
    const found = await storeOperation("running calls", (abortSignal) =>
      this.#jobs.items.query<RunningCall>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources;
  }
}
