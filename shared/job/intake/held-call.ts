import type { JobKey } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { awaitEnd } from "../ending/await-end.ts";
import type { EndingDeps } from "../ending/cancel.ts";
import type { EndedJob } from "../running-jobs.ts";

/** Counts the calls that this instance holds for their clients. */
export interface HeldCalls {
  /**
   * One more call waits; the function returned must be called once, when it goes on. Undefined: so many wait already
   * that this one must not.
   */
  beginWait(tenant: Pick<Tenant, "id">): (() => void) | undefined;
}

export interface HeldCallDeps extends EndingDeps {
  readonly heldCalls: HeldCalls;
}

export interface Awaited<Found extends EndedJob | undefined> {
  /** The job as it is now, or as it ended within the wait. */
  readonly found: Found;
  /** Whether the call was held. */
  readonly waited: boolean;
}

/**
 * Holds a client's call until the job has ended or `askedSeconds` are over. It is answered at once where nothing was
 * asked, or where too many wait here.
 * @returns `found` undefined when there is no such job
 * @throws StoreUnavailable
 */
export async function holdCall(
  deps: HeldCallDeps,
  tenant: Pick<Tenant, "id">,
  key: JobKey,
  askedSeconds: number,
): Promise<Awaited<EndedJob | undefined>> {
  const endWait = askedSeconds > 0 ? deps.heldCalls.beginWait(tenant) : undefined;
  const waited = endWait !== undefined;
  const found = await awaitEnd(deps, key, waited ? askedSeconds : 0).finally(endWait);
  return { found, waited };
}
