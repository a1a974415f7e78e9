import { CONTROL_SCOPES } from "../control-record.ts";
import { type Counts, type VerifyDeps, verifyGone, verifyJobs } from "../verify.ts";
import { verifyControl } from "../verify-control.ts";
import { type SealChecks, type SealSource, verifySeals } from "./verify-seals.ts";

/** All that can be proved of a store. @param sealed its own seals, and those exported earlier */
export async function verifyStore(
  deps: VerifyDeps,
  counts: Counts,
  sealed: readonly (Pick<SealChecks, "name" | "storedSeal"> & { readonly source: SealSource })[],
): Promise<void> {
  await verifyJobs(deps, counts);
  for (const scope of CONTROL_SCOPES) await verifyControl(deps, counts, scope);
  for (const { source, ...checks } of sealed) await verifySeals({ ...deps, ...checks }, counts, source);
  await verifyGone(deps, counts);
}
