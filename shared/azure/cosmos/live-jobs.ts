import type { Container } from "@azure/cosmos";
import type { LiveJob, LiveJobs } from "../../job/backlog.ts";
import { storeOperation } from "./client.ts";
import { ITEMS } from "./items.ts";
import { countOf, queryOf } from "./queries.ts";

/** Live jobs of all tenants by the indexed `status` and `wake_at_ms`, which ended jobs do not have. */
export class CosmosLiveJobs implements LiveJobs {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  async isAny(): Promise<boolean> {
    const query = queryOf(ITEMS.job, { top: 1, select: "c.job_id", where: "c.wake_at_ms >= 0" });
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
      select: "c.tenant_id, c.model, c.status, c.created_at_ms, c.not_before_ms, c.wake_at_ms",
    });
    const found = await storeOperation("live jobs", (abortSignal) =>
      this.#jobs.items.query<LiveJob>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources;
  }
}
