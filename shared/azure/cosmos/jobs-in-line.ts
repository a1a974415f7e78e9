import type { Container } from "@azure/cosmos";
import { z } from "zod";
import type { JobInLine, JobsInLine } from "../../quota/ports.ts";
import { lineSinceMs, placeOf } from "../../quota/turns/line.ts";
import type { JobKey } from "../../store.ts";
import { storeOperation } from "./client.ts";
import { ITEMS } from "./items.ts";
import type { JobDocument } from "./job-document.ts";
import { type KindQuery, queryOf } from "./queries.ts";

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

/** So many of the latest calls tell whether a deployment serves anybody, at a bounded cost. */
const SERVED_LOOKED_AT = 200;
const servedRow = z.object({
  ...{ job_id: z.string(), deployment: z.string().nullable(), event: z.string() },
  ...{ _ts: z.number(), read_ms: z.number() },
});

const FIELDS =
  "c.tenant_id, c.job_id, c.priority, c.created_at_ms, c.not_before_ms, c.deadline_ms, c.parked_at_ms, c.parked";

/** Jobs that wait for quota, over all tenants: by fields which no other job has, so that each read is of an index. */
export class CosmosJobsInLine implements JobsInLine {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  joinedAfter(joinedMs: number, limit: number): Promise<readonly JobInLine[]> {
    const query = { where: "c.parked_at_ms > @after", orderBy: "c.parked_at_ms" };
    return this.#find({ ...query, parameters: { "@after": joinedMs } }, limit);
  }

  inLine(range: { after: string; before?: string }, limit: number): Promise<readonly JobInLine[]> {
    const { after, before } = range;
    const where = "c.parked.place > @after";
    const query =
      before === undefined
        ? { where, parameters: { "@after": after } }
        : {
            where: `${where} AND c.parked.place < @before`,
            parameters: { "@after": after, "@before": before },
          };
    return this.#find({ ...query, orderBy: "c.parked.place" }, limit);
  }

  dueBefore(deadlineMs: number, limit: number): Promise<readonly JobInLine[]> {
    const query = { where: "c.parked.deadline_ms < @before", orderBy: "c.parked.deadline_ms" };
    return this.#find({ ...query, parameters: { "@before": deadlineMs } }, limit);
  }

  async runningOn(deployment: string): Promise<ReadonlyMap<string, string>> {
    const query = queryOf(ITEMS.job, {
      select: "c.job_id, c.tenant_id",
      where: "c.status = 'in_progress' AND c.lease.deployment = @deployment",
      parameters: { "@deployment": deployment },
    });
    const found = await storeOperation("running jobs", (abortSignal) =>
      this.#jobs.items.query<JobKey>(query, { abortSignal }).fetchAll(),
    );
    return new Map(found.resources.map(({ job_id, tenant_id }) => [job_id, tenant_id]));
  }

  async latelyServed(): ReturnType<JobsInLine["latelyServed"]> {
    const newest = { where: "c.billed.at > 0", orderBy: "c.billed.at DESC", top: SERVED_LOOKED_AT } as const;
    const select = "c.job_id, c.deployment, c._ts, GetCurrentTimestamp() AS read_ms";
    // First records lie in their job's item, which says the same of the call that ended it.
    const queries = [
      queryOf(ITEMS.job, { ...newest, select: `${select}, c.status AS event` }),
      queryOf(ITEMS.audit, { ...newest, select: `${select}, c.event` }),
    ];
    const found = await storeOperation("served calls", (abortSignal) =>
      Promise.all(
        queries.map((query) =>
          this.#jobs.items.query(query, { maxItemCount: SERVED_LOOKED_AT, abortSignal }).fetchAll(),
        ),
      ),
    );
    return z
      .array(servedRow)
      .parse(found.flatMap(({ resources }) => resources))
      .flatMap(({ job_id, deployment, event, _ts, read_ms }) =>
        event === "completed" && deployment !== null
          ? [{ job_id, deployment, age_ms: read_ms - _ts * 1000 }]
          : [],
      );
  }

  async #find(query: KindQuery, limit: number): Promise<readonly JobInLine[]> {
    const ofJobs = queryOf(ITEMS.job, { ...query, top: limit, select: FIELDS });
    const found = await storeOperation("jobs in line", (abortSignal) =>
      this.#jobs.items.query<Found>(ofJobs, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources.flatMap(inLineOf);
  }
}

function inLineOf(job: Found): JobInLine[] {
  const { tenant_id, job_id, priority, deadline_ms, parked, parked_at_ms } = job;
  if (parked === undefined || parked_at_ms === undefined) return [];
  const { tokens, deployments } = parked;
  const waiting = { tenant_id, job_id, priority, deadline_ms, tokens, deployments };
  const placed = { ...waiting, since_ms: lineSinceMs(job) };
  return [{ ...placed, joined_ms: parked_at_ms, place: parked.place ?? placeOf(placed) }];
}
