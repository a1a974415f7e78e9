import type { Container } from "@azure/cosmos";
import type { ParkedJob, ParkedJobs } from "../../quota/ports.ts";
import { lineSinceMs, placeOf } from "../../quota/turns/line.ts";
import { storeOperation } from "./client.ts";
import type { JobDocument } from "./job-document.ts";

type Found = Pick<
  JobDocument,
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
    return found.resources.flatMap(parkedOf);
  }
}

function parkedOf(job: Found): ParkedJob[] {
  const { tenant_id, job_id, priority, deadline_ms, parked, parked_at_ms } = job;
  if (parked === undefined || parked_at_ms === undefined) return [];
  const { tokens, deployments } = parked;
  const waiting = { tenant_id, job_id, priority, deadline_ms, tokens, deployments };
  const placed = { ...waiting, since_ms: lineSinceMs(job) };
  return [{ ...placed, parked_ms: parked_at_ms, place: parked.place ?? placeOf(placed) }];
}
