import { type ControlTrailStore, changeControl } from "../audit/control-trail.ts";
import type { Correction } from "../budget/account.ts";
import type { Budgets } from "../budget/budgets.ts";
import type { Change } from "./change-overrides.ts";

export const ACCOUNTS_SCOPE = "accounts";

export interface CorrectAccountDeps {
  readonly trail: ControlTrailStore;
  readonly clock: { now(): number };
  readonly budgets: Pick<Budgets, "correct">;
  /** Jobs that wait for the tenant's money are looked at again. */
  readonly letGo: (tenantId: string) => Promise<void>;
}

/**
 * Corrects what a tenant has spent on a day. An account has a logical partition of its own, so the record is stored first
 * and the account follows it: the same change id asked for again makes good what a crash has left out, and is made once.
 * @returns the correction that is on record
 * @throws StoreUnavailable: the same change id may be sent again
 */
export async function correctAccount(
  deps: CorrectAccountDeps,
  account: { readonly tenantId: string; readonly currency: string },
  asked: Omit<Correction, "id">,
  by: Change,
): Promise<Correction> {
  const { tenantId: tenant_id, currency } = account;
  const { day, amount } = asked;
  const outcome = await changeControl(deps, {
    scope: ACCOUNTS_SCOPE,
    ...{ changeId: by.changeId, actor: by.actor, reads: [] },
    decide: () => ({
      event: "account_corrected",
      reason: by.reason,
      details: { tenant_id, currency, day, amount },
      writes: [],
    }),
  });
  if (outcome.kind !== "changed") throw new TypeError("a correction always changes something");
  const { hash, details } = outcome.record;
  const correction = { id: hash, day: String(details.day), amount: String(details.amount) };
  await deps.budgets.correct(tenant_id, correction);
  await deps.letGo(tenant_id);
  return correction;
}
