import type { Door } from "../shared/http/throttle.ts";
import { awaitEnd } from "../shared/job/ending/await-end.ts";
import type { EndingDeps } from "../shared/job/ending/cancel.ts";
import type { EndedJob } from "../shared/job/running-jobs.ts";
import type { JobKey } from "../shared/store.ts";
import type { Tenant } from "../shared/tenant/tenants.ts";

export interface HeldWait {
  /** As it is now, or as it ended within the wait. Undefined when there is no such job. */
  readonly found: EndedJob | undefined;
  /** `Preference-Applied`, where the preference was. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * `Prefer: wait=N`: the job, once it has ended or `askedSeconds` are over. At once where nothing was asked, or where
 * as many wait here as may.
 */
export async function heldWait(
  deps: EndingDeps & { readonly door: Pick<Door, "hold"> },
  tenant: Tenant,
  key: JobKey,
  askedSeconds: number,
): Promise<HeldWait> {
  const goOn = askedSeconds > 0 ? deps.door.hold(tenant) : undefined;
  const found = await awaitEnd(deps, key, goOn === undefined ? 0 : askedSeconds).finally(goOn);
  return { found, headers: goOn === undefined ? {} : { "preference-applied": `wait=${askedSeconds}` } };
}
