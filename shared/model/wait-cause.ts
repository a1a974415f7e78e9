/** Why a deployment cannot be called now, in the words of the audit trail. */
export const WAIT_CAUSES = [
  /** It answered 429, and is left alone for as long as it said. */
  "rate_limited",
  /** As far as is known no quota is left, or those who wait longer have it. */
  "quota_used_up",
  /** This instance holds none of its quota; others may. */
  "no_quota_here",
  /** Quota of another deployment was taken for the job. */
  "not_granted",
  /** Its calls fail, and it is left alone for a while. */
  "deployment_failing",
  /** As many calls of it run here as may at a time. */
  "concurrency_full",
] as const;
export type WaitCause = (typeof WAIT_CAUSES)[number];
