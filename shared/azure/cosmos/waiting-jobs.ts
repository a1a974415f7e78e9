import type { WaitingJobs } from "../../job/sweep/changed-waits.ts";
import type { JobKey } from "../../store.ts";
import { jobKey } from "./documents.ts";
import { ITEMS } from "./items.ts";
import type { KindQuery } from "./queries.ts";
import type { StoredItems } from "./stored-items.ts";

/** Jobs that a change may let go, by the indexed `held.revision` and `held.budget`, which no other job has. */
export class CosmosWaitingJobs implements WaitingJobs {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  chosenBefore(revision: number, limit: number): Promise<readonly JobKey[]> {
    const where = "c.held.revision < @revision AND c.held.cause != 'over_budget'";
    return this.#find({ where, parameters: { "@revision": revision } }, limit);
  }

  ofOtherBudgets(names: readonly string[], limit: number): Promise<readonly JobKey[]> {
    const where =
      "c.held.budget >= '' AND c.held.cause = 'over_budget' AND NOT ARRAY_CONTAINS(@names, c.held.budget)";
    return this.#find({ where, parameters: { "@names": [...names] } }, limit);
  }

  #find(query: KindQuery, limit: number): Promise<readonly JobKey[]> {
    return this.#jobs.find(ITEMS.job, { ...query, top: limit, select: "c.tenant_id, c.job_id" }, jobKey);
  }
}
