import type { Container } from "@azure/cosmos";
import type { Job } from "../../job/job.ts";
import type { ParkedJob, ParkedJobs } from "../../quota/ports.ts";
import { parkedJobOf } from "../../quota/turns/line.ts";
import { storeOperation } from "./client.ts";

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

const FIELDS =
  "c.tenant_id, c.job_id, c.priority, c.created_at_ms, c.not_before_ms, c.deadline_ms, c.parked_at_ms, c.parked";

/** Jobs that wait for quota, over all tenants: by fields which no other job has, so that each read is of an index. */
export class CosmosParkedJobs implements ParkedJobs {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  parkedAfter(parkedMs: number, limit: number): Promise<readonly ParkedJob[]> {
    return this.#find("c.parked_at_ms > @after ORDER BY c.parked_at_ms", { "@after": parkedMs }, limit);
  }

  inLine(range: { after: string; before?: string }, limit: number): Promise<readonly ParkedJob[]> {
    const before = range.before === undefined ? "" : " AND c.parked.place < @before";
    const where = `c.parked.place > @after${before} ORDER BY c.parked.place`;
    const { after } = range;
    return this.#find(
      where,
      { "@after": after, ...(before === "" ? {} : { "@before": range.before }) },
      limit,
    );
  }

  dueBefore(deadlineMs: number, limit: number): Promise<readonly ParkedJob[]> {
    const where = "c.parked.deadline_ms < @before ORDER BY c.parked.deadline_ms";
    return this.#find(where, { "@before": deadlineMs }, limit);
  }

  async runningOn(deployment: string): Promise<ReadonlySet<string>> {
    const query = {
      query:
        "SELECT VALUE c.job_id FROM c WHERE c.status = 'in_progress' AND c.lease.deployment = @deployment",
      parameters: [{ name: "@deployment", value: deployment }],
    };
    const found = await storeOperation("running jobs", (abortSignal) =>
      this.#jobs.items.query<string>(query, { abortSignal }).fetchAll(),
    );
    return new Set(found.resources);
  }

  async #find(
    where: string,
    parameters: Readonly<Record<string, string | number | undefined>>,
    limit: number,
  ): Promise<readonly ParkedJob[]> {
    const query = {
      query: `SELECT TOP ${limit} ${FIELDS} FROM c WHERE ${where}`,
      parameters: Object.entries(parameters).map(([name, value = null]) => ({ name, value })),
    };
    const found = await storeOperation("parked jobs", (abortSignal) =>
      this.#jobs.items.query<Found>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources.flatMap((job) => parkedJobOf(job) ?? []);
  }
}
