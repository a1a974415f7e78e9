import type { JobKey } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { awaitEnd, type EndDeps } from "../ending/await-end.ts";
import type { Job } from "../job.ts";
import type { EndedJob } from "../running-jobs.ts";

/** Counts the calls that this instance holds for their clients. */
export interface HeldCalls {
  /**
   * One more call waits; the function returned must be called once, when it goes on.
   * @param endEarly called where others need its room: it has then waited for long, or its tenant's calls for most
   */
  beginWait(tenant: Pick<Tenant, "id">, endEarly: () => void): () => void;
}

export interface HeldCallDeps extends EndDeps {
  readonly heldCalls: HeldCalls;
}

export interface Awaited<Found extends EndedJob | undefined> {
  /** The job as it is now, or as it ended within the wait. */
  readonly found: Found;
  /** Whether the call was held. */
  readonly waited: boolean;
}

/**
 * Holds a client's call until the job has ended or `askedSeconds` are over; for less where this instance is full or told
 * to end. It is answered at once where nothing was asked.
 * @returns `found` undefined when there is no such job
 * @throws StoreUnavailable
 */
export async function holdCall(
  deps: HeldCallDeps,
  tenant: Pick<Tenant, "id">,
  job: JobKey & Partial<Pick<Job, "model">>,
  askedSeconds: number,
): Promise<Awaited<EndedJob | undefined>> {
  if (askedSeconds === 0) return { found: await awaitEnd(deps, job, 0), waited: false };
  const early = new AbortController();
  const endWait = deps.heldCalls.beginWait(tenant, () => early.abort());
  const found = await awaitEnd(deps, job, askedSeconds, early.signal).finally(endWait);
  return { found, waited: true };
}
