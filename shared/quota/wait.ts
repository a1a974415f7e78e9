import type { WaitCause } from "../model/wait-cause.ts";

/** A call must wait. */
export interface Wait {
  readonly cause: WaitCause;
  /** When it is worth asking again, Unix ms; never before now. */
  readonly untilMs: number;
}
