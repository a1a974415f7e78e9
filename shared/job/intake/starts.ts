import { MAX_STARTS_PER_SECOND } from "../../limits.ts";
import type { Job } from "../job.ts";

/** Moments remembered; one that is forgotten is begun anew. */
const MOST_MOMENTS = 10_000;

/**
 * Spreads a tenant's jobs that asked for the same moment: nudges come in the order of their time, whoever's they are, and
 * thousands of one tenant would stand before the next job of another.
 */
export class Starts {
  /** Jobs by tenant and second. */
  readonly #asked = new Map<string, number>();

  /** When the job is to be nudged: not before it may run, and seldom much later. Null: now. */
  nudgeAtMs({ tenant_id, not_before_ms }: Pick<Job, "tenant_id" | "not_before_ms">): number | null {
    if (not_before_ms === null) return null;
    const moment = `${tenant_id} ${Math.floor(not_before_ms / 1000)}`;
    const before = this.#asked.get(moment) ?? 0;
    this.#asked.delete(moment);
    this.#asked.set(moment, before + 1);
    for (const oldest of this.#asked.size > MOST_MOMENTS ? this.#asked.keys().take(1) : [])
      this.#asked.delete(oldest);
    return not_before_ms + Math.floor(before / MAX_STARTS_PER_SECOND) * 1000;
  }
}
