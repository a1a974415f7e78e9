import type { JobKey } from "../store.ts";
import type { Grant } from "./grant.ts";
import type { Releases } from "./ports.ts";

/** Who can tell that a grant is the dispatcher's: control/secrets.ts. */
export interface GrantSecrets {
  sign(purpose: "grants", parts: readonly string[]): Promise<{ readonly kid: string; readonly mac: string }>;
  isSigned(
    purpose: "grants",
    parts: readonly string[],
    mac: { readonly kid: string; readonly mac: string },
  ): Promise<boolean>;
}

/** Every release with proof that it is the dispatcher's: whoever may send on the queue cannot make one. */
export function signedReleases(
  releases: Pick<Releases, "release">,
  secrets: GrantSecrets,
): Releases["release"] {
  return async (jobs) => {
    const signed = jobs.map(async ({ key, grant }) => ({
      key,
      grant: { ...grant, ...(await secrets.sign("grants", partsOf(key, grant))) },
    }));
    await releases.release(await Promise.all(signed));
  };
}

/** Whether the dispatcher made this grant, for this job. */
export async function isDispatchers(secrets: GrantSecrets, key: JobKey, grant: Grant): Promise<boolean> {
  const { kid, mac } = grant;
  if (typeof kid !== "string" || typeof mac !== "string") return false;
  return secrets.isSigned("grants", partsOf(key, grant), { kid, mac });
}

function partsOf({ tenant_id, job_id }: JobKey, { deployment, taken, lapses_ms }: Grant): readonly string[] {
  const amounts = Object.entries(taken).sort(([a], [b]) => (a < b ? -1 : 1));
  return [tenant_id, job_id, deployment, String(lapses_ms), JSON.stringify(amounts)];
}
