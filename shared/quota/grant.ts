import type { Taken } from "./belief/pool.ts";

/** A job that was let go and still waits after this is let go again. */
export const GRANT_MS = 30_000;

/** Proof that something is the dispatcher's word: signed-words.ts. */
export interface Proof {
  readonly kid: string;
  readonly mac: string;
}

/** Leave to call a deployment: quota was taken for it. */
export interface Grant extends Partial<Proof> {
  readonly deployment: string;
  readonly taken: Taken;
  readonly lapses_ms: number;
}
