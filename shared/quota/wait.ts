/** Why a call of a deployment must wait. */
export type WaitCause =
  /** The deployment answered 429 and asked not to be called for a while. */
  | "rate_limited"
  /** As much as may be used of its quota is used. */
  | "quota"
  /** This instance holds no part of the quota yet: `prepare` asks for one. */
  | "no_slice"
  /** Jobs wait for this quota already, and the dispatcher alone lets them go, in their order. */
  | "line"
  /** As many calls run as the deployment bears. */
  | "concurrency"
  /** Its calls failed lately. */
  | "deployment_failing";

/** A call must wait. */
export interface Wait {
  readonly cause: WaitCause;
  /** When it is worth asking again, Unix ms; never before now. */
  readonly untilMs: number;
}
