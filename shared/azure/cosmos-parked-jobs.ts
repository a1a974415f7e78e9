import type { Container } from "@azure/cosmos";
import type { Job } from "../job/job.ts";
import type { ParkedJob, ParkedJobs } from "../quota/ports.ts";
import { storeOperation } from "./cosmos-client.ts";

type Found = Pick<
  Job,
  | "tenant_id"
  | "job_id"
  | "priority"
  | "created_at_ms"
  | "not_before_ms"
  | "deadline_ms"
  | "parked_at_ms"
  | "parked"
>;

/** Jobs that wait for quota, over all tenants: by `parked_at_ms`, which no other job has. */
export class CosmosParkedJobs implements ParkedJobs {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  async parkedAfter(parkedMs: number, limit: number): Promise<readonly ParkedJob[]> {
    const fields =
      "c.tenant_id, c.job_id, c.priority, c.created_at_ms, c.not_before_ms, c.deadline_ms, c.parked_at_ms, c.parked";
    const query = {
      query: `SELECT TOP ${limit} ${fields} FROM c WHERE c.parked_at_ms > @after ORDER BY c.parked_at_ms`,
      parameters: [{ name: "@after", value: parkedMs }],
    };
    const found = await storeOperation("parked jobs", (abortSignal) =>
      this.#jobs.items.query<Found>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources.flatMap((job) => {
      const { tenant_id, job_id, priority, deadline_ms, parked, parked_at_ms } = job;
      if (parked === undefined || parked_at_ms === undefined) return [];
      const since_ms = Math.max(job.created_at_ms, job.not_before_ms ?? 0);
      return [{ tenant_id, job_id, priority, deadline_ms, since_ms, ...parked, parked_ms: parked_at_ms }];
    });
  }
}
