import type { JobKey } from "../store.ts";
import type { Grant, Proof } from "./grant.ts";
import type { Releases } from "./ports.ts";

/** Who can tell that a word is the dispatcher's: control/secrets.ts. */
export interface WordSecrets {
  sign(purpose: "grants", parts: readonly string[]): Promise<Proof>;
  isSigned(purpose: "grants", parts: readonly string[], proof: Proof): Promise<boolean>;
}

/** Everything that the dispatcher says of a job, with proof that it does: whoever may send on the queue cannot say it. */
export function signedReleases(releases: Releases, secrets: WordSecrets): Releases {
  const signed = async (key: JobKey, grant?: Grant) => secrets.sign("grants", partsOf(key, grant));
  return {
    release: async (jobs) =>
      releases.release(
        await Promise.all(
          jobs.map(async ({ key, grant }) => ({ key, grant: { ...grant, ...(await signed(key, grant)) } })),
        ),
      ),
    giveUp: async (jobs) =>
      releases.giveUp(await Promise.all(jobs.map(async (key) => ({ ...key, late: await signed(key) })))),
    dispatch: (atMs) => releases.dispatch(atMs),
  };
}

/** Whether the dispatcher made this grant for this job; without a grant, whether it said that the job is late. */
export async function isDispatchers(
  secrets: WordSecrets,
  key: JobKey,
  { kid, mac }: Partial<Proof>,
  grant?: Grant,
): Promise<boolean> {
  if (typeof kid !== "string" || typeof mac !== "string") return false;
  return secrets.isSigned("grants", partsOf(key, grant), { kid, mac });
}

function partsOf({ tenant_id, job_id }: JobKey, grant: Grant | undefined): readonly string[] {
  if (grant === undefined) return [tenant_id, job_id, "late"];
  const { deployment, taken, lapses_ms } = grant;
  const amounts = Object.entries(taken).sort(([a], [b]) => (a < b ? -1 : 1));
  return [tenant_id, job_id, deployment, String(lapses_ms), JSON.stringify(amounts)];
}
