import { mayTake, relativeWeight, SEVEN_EIGHTHS } from "../../part.ts";
import { MOST_SHARE, REFILL_SHARE } from "./slice.ts";

/** Slots lapse so soon: until then the calls begun from them count twice, once it is stored that they run. */
export const SLOTS_LAPSE_MS = 2_000;

/** Slots as they were taken: how many calls may be begun until when, and what others may have begun meanwhile. */
export interface TakenSlots {
  readonly calls: number;
  readonly lapses_ms: number;
  readonly others: number;
}

/**
 * Calls that this instance may begin of a deployment which bears only so many at a time, and those that run. What is
 * begun or ends while the store is asked and written to counts as well.
 */
export class OwnSlots {
  #taken: TakenSlots = { calls: 0, lapses_ms: 0, others: 0 };
  /** Tenants by job id; what was stored as running when that was last asked is not among them. */
  readonly #begun = new Map<string, string>();
  /** What ran then, on any instance, and has not ended here since. */
  #running: ReadonlyMap<string, string> = new Map();
  /** What has ended here since it was last asked: the answer may still have it. */
  readonly #ended = new Set<string>();

  begins(jobId: string, tenant: string): void {
    this.#begun.set(jobId, tenant);
    this.#ended.delete(jobId);
  }

  ends(jobId: string): void {
    this.#begun.delete(jobId);
    this.#ended.add(jobId);
  }

  /** Whether it is time to ask what runs: more often would cost a query a call. */
  isLow(nowMs: number): boolean {
    const { calls, lapses_ms } = this.#taken;
    return (
      lapses_ms - nowMs < SLOTS_LAPSE_MS * REFILL_SHARE || calls - this.#begun.size < calls * REFILL_SHARE
    );
  }

  /** Runs the question for what runs. */
  async asked(runningOn: () => Promise<ReadonlyMap<string, string>>): Promise<ReadonlyMap<string, string>> {
    // Before: what ends from now on may still be in the answer.
    this.#ended.clear();
    return runningOn();
  }

  /** How many may be begun of what is free: it is 0 or less where there is nothing. */
  planned(running: ReadonlyMap<string, string>, concurrency: number, others: number) {
    const begun = [...this.#begun.keys()].filter((id) => !running.has(id)).length;
    const free = concurrency - running.size - others - begun;
    return { free, calls: begun + Math.max(1, Math.floor(free * MOST_SHARE)) };
  }

  take(taken: TakenSlots, running: ReadonlyMap<string, string>): void {
    this.#taken = taken;
    this.#running = running;
    for (const jobId of running.keys()) this.#begun.delete(jobId);
  }

  /** `none`: new slots may be had. `part`: a tenant has no more than seven eighths of all, by weight, as far as is known here. */
  waits(
    tenant: string,
    concurrency: number,
    weightOf: (tenant: string) => number,
    nowMs: number,
  ): "none" | { readonly untilMs: number } | undefined {
    const { calls, lapses_ms, others } = this.#taken;
    if (lapses_ms <= nowMs) return "none";
    const tenants = new Set<string>();
    let [all, mine] = [0, 0];
    const count = (of: string) => {
      tenants.add(of);
      all++;
      if (of === tenant) mine++;
    };
    for (const of of this.#begun.values()) count(of);
    for (const [jobId, of] of this.#running) if (!this.#ended.has(jobId)) count(of);
    const weight = relativeWeight(tenant, tenants, weightOf);
    if (!mayTake(1, mine, concurrency - others - all, SEVEN_EIGHTHS * weight)) return { untilMs: lapses_ms };
    return this.#begun.size >= calls ? "none" : undefined;
  }
}
