import { type Account, lookAtMs } from "../../budget/account.ts";
import type { AccountKey, BudgetLedger } from "../../budget/ports.ts";
import type { Stored, WriteResult } from "../../store.ts";
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

  /** Whole accounts, so that one that cannot be read does not hide the others. */
  due(nowMs: number, limit: number): Promise<readonly AccountKey[]> {
    const query = {
      ...{ top: limit, where: "c.look_at_ms <= @now", orderBy: "c.look_at_ms" },
      parameters: { "@now": nowMs },
    };
    return this.#control.find(ITEMS.budget, query, ITEMS.budget.document);
  }
}
