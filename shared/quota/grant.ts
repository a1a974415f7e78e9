import type { Taken } from "./belief/pool.ts";

/** A job that was let go and still waits after this is let go again. */
export const GRANT_MS = 30_000;

/** Leave to call a deployment: quota was taken for it. */
export interface Grant {
  readonly deployment: string;
  readonly taken: Taken;
  readonly lapses_ms: number;
  /** Proof that it is the dispatcher's: signed-grants.ts. Absent until it is sent. */
  readonly kid?: string;
  readonly mac?: string;
}
