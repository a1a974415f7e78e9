import type { Catalogue } from "../model/catalogue.ts";
import { nearMiss } from "../near-miss.ts";
import type { Tenant } from "../tenant/tenants.ts";

/** Names that are in no catalogue but like one that is: a denial that is misspelt would deny nothing. */
export function misspelt(tenants: readonly Tenant[], { deployments, models }: Catalogue): string[] {
  const providers = deployments.map(({ provider }) => provider);
  const names = models.map(({ id }) => id);
  const faultsOf = (tenant: Tenant, list: "deny_providers" | "allow_models", known: readonly string[]) =>
    tenant[list].flatMap((name) => {
      const star = list === "allow_models" ? name.indexOf("*") : -1;
      if (star >= 0 && star < name.length - 1)
        return [`tenant ${tenant.id}: ${list}: ${name}: a * stands for the end of a name, and nowhere else`];
      const meant = star < 0 ? nearMiss(name, known) : nearStart(name.slice(0, -1), known);
      return meant === undefined
        ? []
        : [`tenant ${tenant.id}: ${list}: there is no ${name}; is it ${meant}?`];
    });
  return tenants.flatMap((tenant) => [
    ...faultsOf(tenant, "deny_providers", providers),
    ...faultsOf(tenant, "allow_models", names),
  ]);
}

/** The same of `gtp-*`. A start is short, and many are alike: one slip is all that is taken for one. */
function nearStart(start: string, known: readonly string[]): string | undefined {
  const starts = known.map((each) => each.slice(0, start.length));
  const meant = starts.includes(start) ? undefined : nearMiss(start, starts, 1);
  return meant === undefined ? undefined : `${meant}*`;
}
