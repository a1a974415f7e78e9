import { type Account, lookAtMs } from "../../budget/account.ts";
import type { AccountKey, BudgetLedger, OverBudgetJobs } from "../../budget/ports.ts";
import type { JobKey, Stored, WriteResult } from "../../store.ts";
import { jobKey } from "./documents.ts";
import { budgetPlace, ITEMS } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

export class CosmosBudgetLedger implements BudgetLedger {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async read(key: AccountKey): Promise<Stored<Account> | undefined> {
    const found = await this.#control.read(ITEMS.budget, budgetPlace(key));
    return found === undefined ? undefined : { value: found.value.account, etag: found.etag };
  }

  write(key: AccountKey, account: Account, etag: string | undefined): Promise<WriteResult> {
    const look_at_ms = lookAtMs(account);
    // Only where something is put aside, so that no other account is found by it.
    const fields = { ...key, account, ...(look_at_ms === undefined ? {} : { look_at_ms }) };
    return this.#control.write(ITEMS.budget, budgetPlace(key), fields, etag);
  }

  /** Whole accounts, so that one which cannot be read keeps nobody from the others. */
  due(nowMs: number, limit: number): Promise<readonly AccountKey[]> {
    const query = {
      ...{ top: limit, where: "c.look_at_ms <= @now", orderBy: "c.look_at_ms" },
      parameters: { "@now": nowMs },
    };
    return this.#control.find(ITEMS.budget, query, ITEMS.budget.document);
  }
}

/** Jobs held for want of money, by the index of held ones. */
export class CosmosOverBudgetJobs implements OverBudgetJobs {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  waitingForOthers(budgets: readonly string[], limit: number): Promise<readonly JobKey[]> {
    const query = {
      ...{ top: limit, select: "c.tenant_id, c.job_id" },
      where:
        "c.held.revision >= 0 AND c.held.cause = 'over_budget' AND NOT ARRAY_CONTAINS(@budgets, c.held.budget)",
      parameters: { "@budgets": [...budgets] },
    };
    return this.#jobs.find(ITEMS.job, query, jobKey);
  }
}
