/** Why a deployment cannot be called now, in the words of the audit trail. */
export const WAIT_CAUSES = [
  /** The deployment answered 429 and asked not to be called for a while. */
  "rate_limited",
  /** As much as may be used of its quota is used. */
  "quota",
  /** This instance holds no part of the quota yet. */
  "no_slice",
  /** Jobs wait for this quota already, and the dispatcher alone lets them go, in their order. */
  "line",
  /** The dispatcher let the job go to another deployment. */
  "not_granted",
  /** As many calls run as the deployment bears. */
  "concurrency",
  /** It is ill: its calls failed lately, its credential was refused, or its account was empty. */
  "deployment_failing",
  "credential_refused",
  "account_empty",
] as const;
export type WaitCause = (typeof WAIT_CAUSES)[number];

/** What is wrong with a deployment that is ill. No job's fault: an operator, a lab or time cures it. */
export const ILLNESSES = ["deployment_failing", "credential_refused", "account_empty"] as const;
export type Illness = (typeof ILLNESSES)[number];

export function isIllness(cause: string): cause is Illness {
  return (ILLNESSES as readonly string[]).includes(cause);
}
