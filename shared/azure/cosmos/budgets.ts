import type { Container } from "@azure/cosmos";
import { type Account, lookAtMs } from "../../budget/account.ts";
import type { AccountKey, BudgetLedger } from "../../budget/ports.ts";
import type { Stored } from "../../store.ts";
import { STORED_VERSION } from "../../store.ts";
import { statusOf, storeOperation } from "./client.ts";

/** Each tenant's accounts are a logical partition of `control`: one tenant's calls do not slow another's. */
const scopeOf = (key: Pick<AccountKey, "tenant_id">) => `budget:${key.tenant_id}`;
const idOf = ({ month, currency }: AccountKey) => `${month}-${currency}`;
/** An account is kept for two months after its own, so that a bill can be held against it. */
const ACCOUNT_TTL_SECONDS = 93 * 86_400;

/** Day and month are one item, so that one conditional write moves both. */
export class CosmosBudgetLedger implements BudgetLedger {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async read(key: AccountKey): Promise<Stored<Account> | undefined> {
    const { resource, etag } = await storeOperation("read budget", (abortSignal) =>
      this.#control.item(idOf(key), scopeOf(key)).read<{ account: Account }>({ abortSignal }),
    );
    return resource === undefined ? undefined : { value: resource.account, etag };
  }

  write(key: AccountKey, account: Account, etag: string | undefined): ReturnType<BudgetLedger["write"]> {
    const lookAt = lookAtMs(account);
    const item = {
      ...{ id: idOf(key), scope: scopeOf(key), v: STORED_VERSION, kind: "budget", ...key, account },
      ttl: ACCOUNT_TTL_SECONDS,
      // Only where something is put aside, so that no other item is in its index.
      ...(lookAt === undefined ? {} : { look_at_ms: lookAt }),
    };
    return storeOperation("write budget", async (abortSignal) => {
      try {
        const response =
          etag === undefined
            ? await this.#control.items.create(item, { abortSignal })
            : await this.#control.item(item.id, item.scope).replace(item, {
                abortSignal,
                accessCondition: { type: "IfMatch", condition: etag },
              });
        return { kind: "written", etag: response.etag };
      } catch (thrown) {
        const status = statusOf(thrown);
        if (status === 404 || status === 409 || status === 412) return { kind: "superseded" };
        throw thrown;
      }
    });
  }

  async due(nowMs: number, limit: number): Promise<readonly AccountKey[]> {
    const query = {
      query: `SELECT TOP ${limit} c.tenant_id, c.month, c.currency FROM c WHERE c.look_at_ms <= @now ORDER BY c.look_at_ms`,
      parameters: [{ name: "@now", value: nowMs }],
    };
    const found = await storeOperation("due budgets", (abortSignal) =>
      this.#control.items.query<AccountKey>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources;
  }
}
