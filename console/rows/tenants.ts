import type { Catalogue } from "../resources.ts";

/** A tenant, as operators see it. */
export interface Tenant {
  readonly id: string;
  readonly source: "file" | "store";
  readonly since: number | null;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly key_count: number;
  readonly key_sha256: readonly string[];
  readonly entra_app_ids: readonly string[];
  readonly entra_scopes: readonly string[];
  readonly weight: number;
  readonly allow_models: readonly string[];
  readonly deny_providers: readonly string[];
  readonly limits?: { readonly submits_per_second: number; readonly burst?: number };
  readonly budget?: {
    readonly currency: string;
    readonly per_day?: string | number;
    readonly per_month?: string | number;
    readonly over?: string;
  };
}

/** A tenant's key, without the key itself. */
export interface TenantKey {
  readonly id: string;
  readonly source: "file" | "store";
  readonly prefix: string | null;
  readonly name: string | null;
  readonly created_at: number | null;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
}

/** A tenant as a person fills it in; lists have commas between. */
export interface TenantDraft {
  readonly allowModels: string;
  readonly denyProviders: string;
  readonly weight: string;
  readonly submitsPerSecond: string;
  readonly burst: string;
  readonly currency: string;
  readonly perDay: string;
  readonly perMonth: string;
  readonly over: string;
  readonly entraAppIds: string;
  readonly entraScopes: string;
  readonly keySha256: string;
  readonly reason: string;
}

export const NEW_TENANT: TenantDraft = {
  ...{ allowModels: "*", denyProviders: "", weight: "1", submitsPerSecond: "", burst: "" },
  ...{ currency: "USD", perDay: "", perMonth: "", over: "wait" },
  ...{ entraAppIds: "", entraScopes: "", keySha256: "", reason: "" },
};

export function draftOf(tenant: Tenant): TenantDraft {
  const { limits, budget } = tenant;
  const text = (value: string | number | undefined) => (value === undefined ? "" : String(value));
  return {
    allowModels: tenant.allow_models.join(", "),
    denyProviders: tenant.deny_providers.join(", "),
    weight: String(tenant.weight),
    submitsPerSecond: text(limits?.submits_per_second),
    burst: text(limits?.burst),
    currency: budget?.currency ?? NEW_TENANT.currency,
    perDay: text(budget?.per_day),
    perMonth: text(budget?.per_month),
    over: budget?.over ?? NEW_TENANT.over,
    entraAppIds: tenant.entra_app_ids.join(", "),
    entraScopes: tenant.entra_scopes.join(", "),
    keySha256: tenant.key_sha256.join(", "),
    reason: "",
  };
}

const listed = (text: string) => text.split(/[\s,]+/).filter((each) => each !== "");

/** What PUT takes: all fields, for what is not sent is no more. Whatever is wrong the service says. */
export function tenantBody(draft: TenantDraft): Readonly<Record<string, unknown>> {
  const { submitsPerSecond, burst, currency, perDay, perMonth, over, reason } = draft;
  return {
    key_sha256: listed(draft.keySha256),
    entra_app_ids: listed(draft.entraAppIds),
    entra_scopes: listed(draft.entraScopes),
    weight: Number(draft.weight),
    allow_models: listed(draft.allowModels),
    deny_providers: listed(draft.denyProviders),
    ...(submitsPerSecond === ""
      ? {}
      : {
          limits: {
            submits_per_second: Number(submitsPerSecond),
            ...(burst === "" ? {} : { burst: Number(burst) }),
          },
        }),
    ...(perDay === "" && perMonth === ""
      ? {}
      : {
          budget: {
            ...{ currency, over },
            ...(perDay === "" ? {} : { per_day: perDay }),
            ...(perMonth === "" ? {} : { per_month: perMonth }),
          },
        }),
    ...(reason === "" ? {} : { reason }),
  };
}

/** What is taken as it is, and is hardly meant so. @param catalogue undefined: not known yet */
export function doubtsOf(draft: TenantDraft, catalogue: Catalogue | undefined): readonly string[] {
  const { currency, perDay, perMonth } = draft;
  const allowed = listed(draft.allowModels);
  const { deployments = [], routes = [] } = catalogue ?? {};
  const names = [...deployments, ...routes].map(({ model }) => model);
  const unknown = allowed.filter((each) => modelFor({ allow_models: [each] }, names) === undefined);
  const hasBudget = perDay !== "" || perMonth !== "";
  const isPriced = deployments.some(({ price }) => price.currency === currency);
  return [
    ...(allowed.length === 0 ? ["It may ask for no model."] : []),
    ...(names.length > 0 && unknown.length > 0
      ? [`The catalogue has no model that is called ${unknown.join(", ")}.`]
      : []),
    ...(hasBudget && deployments.length > 0 && !isPriced
      ? [`No model has a price in ${currency}: with such a budget the tenant may use none.`]
      : []),
    ...(perDay !== "" && perMonth !== "" && Number(perDay) > Number(perMonth)
      ? ["A day's budget is over the month's."]
      : []),
  ];
}

/** A budget in a few words. */
export function budgetWords({ budget }: Pick<Tenant, "budget">): string {
  if (budget === undefined) return "–";
  const { currency, per_day, per_month } = budget;
  const parts = [
    ...(per_day === undefined ? [] : [`${per_day} ${currency} a day`]),
    ...(per_month === undefined ? [] : [`${per_month} ${currency} a month`]),
  ];
  return parts.join(", ");
}

/** What making a key takes. @param expires a day of UTC, to whose end the key is good; empty: for ever */
export function keyBody(name: string, expires: string): Readonly<Record<string, unknown>> {
  const DAY_MS = 86_400_000;
  return {
    ...(name === "" ? {} : { name }),
    ...(expires === "" ? {} : { expires_at: (Date.parse(`${expires}T00:00:00Z`) + DAY_MS) / 1000 }),
  };
}

export type KeyState = "on" | "expired";

export function keyState({ expires_at }: Pick<TenantKey, "expires_at">, nowSeconds: number): KeyState {
  return expires_at !== null && expires_at <= nowSeconds ? "expired" : "on";
}

/** A model that the tenant may ask for, to show how; undefined: it may ask for none of these. */
export function modelFor(
  { allow_models }: Pick<Tenant, "allow_models">,
  models: readonly string[],
): string | undefined {
  const isAllowed = (model: string) =>
    allow_models.some((each) => (each.endsWith("*") ? model.startsWith(each.slice(0, -1)) : model === each));
  return models.find(isAllowed);
}
