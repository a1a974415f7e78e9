import type { Stored, WriteResult } from "../store.ts";
import type { Account, Finding, Reservation } from "./account.ts";

/** What budgets need of the world; shared/azure implements it. Every method throws StoreUnavailable. */

/** An account's name: a tenant has one for each UTC month and currency. */
export interface AccountKey {
  readonly tenant_id: string;
  /** `2026-11` */
  readonly month: string;
  readonly currency: string;
}

export interface BudgetLedger {
  read(key: AccountKey): Promise<Stored<Account> | undefined>;
  /** Replaces the version of that etag, or makes the first one where there is none. */
  write(key: AccountKey, account: Account, etag: string | undefined): Promise<WriteResult>;
  /** Accounts with a reservation that should have been settled by then. */
  due(nowMs: number, limit: number): Promise<readonly AccountKey[]>;
}

/** What jobs' own records say of reservations that no worker settled. */
export interface ClaimRecords {
  find(tenantId: string, reservation: Reservation): Promise<Finding>;
}
