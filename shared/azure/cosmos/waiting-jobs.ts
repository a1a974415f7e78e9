import type { Container, SqlParameter } from "@azure/cosmos";
import type { WaitingJobs } from "../../job/sweep/changed-waits.ts";
import type { JobKey } from "../../store.ts";
import { storeOperation } from "./client.ts";

/** Jobs that a change may let go, by the indexed `held.revision`, which no other job has. */
export class CosmosWaitingJobs implements WaitingJobs {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  chosenBefore(revision: number, limit: number): Promise<readonly JobKey[]> {
    const where = "c.held.revision < @revision AND c.held.cause != 'over_budget'";
    return this.#find(where, [{ name: "@revision", value: revision }], limit);
  }

  ofOtherBudgets(names: readonly string[], limit: number): Promise<readonly JobKey[]> {
    const where =
      "c.held.revision >= 0 AND c.held.cause = 'over_budget' AND NOT ARRAY_CONTAINS(@names, c.held.budget)";
    return this.#find(where, [{ name: "@names", value: [...names] }], limit);
  }

  async #find(where: string, parameters: SqlParameter[], limit: number): Promise<readonly JobKey[]> {
    const query = { query: `SELECT TOP ${limit} c.tenant_id, c.job_id FROM c WHERE ${where}`, parameters };
    const found = await storeOperation("waiting jobs", (abortSignal) =>
      this.#jobs.items.query<JobKey>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources;
  }
}
