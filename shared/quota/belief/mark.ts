/** A call, as far as its answer tells of what was left. */
export interface Mark {
  /** When it was let go, and what had been spent by then, itself included. */
  readonly at_ms: number;
  readonly spent: number;
  /** What was estimated for it; where it was refused, the server has not counted that. */
  readonly amount: number;
  readonly refused: boolean;
  /** When it reached the deployment: what its answer's headers say is of that moment. */
  readonly arrived_ms: number;
  /** Whether that is known, or reckoned from how long calls usually are on their way. */
  readonly exact: boolean;
  /** All that was let go with it: in what order that arrived is not known. */
  readonly burst: number;
  /** Tokens are estimates, requests are not. */
  readonly estimated: boolean;
}

/** How many calls more than is expected say something. */
export const EVIDENCE_CALLS = 3;
