/**
 * Faults to be dealt by an emulator, as plain data: a test, or a user who wants to see what happens, says which
 * operations fail, how, and how often. The same seed gives the same faults for the same order of operations.
 */
export interface FaultPlan {
  readonly seed?: number;
  readonly rules: readonly FaultRule[];
}

export interface FaultRule {
  /** An operation's name as the emulator counts it, or `*`. */
  readonly operation: string;
  /** 0 to 1; always when left out. */
  readonly probability?: number;
  /** How often in all; without end when left out. */
  readonly times?: number;
  readonly effect: Effect;
}

export type Effect =
  /** Refused with this status; nothing is applied. */
  | { readonly kind: "refuse"; readonly status: number; readonly retry_after_ms?: number }
  /** Applied and answered, later. */
  | { readonly kind: "delay"; readonly ms: number }
  /** The connection is cut before the operation is applied, or after it was, before the answer. */
  | { readonly kind: "drop"; readonly when: "before" | "after" };

export class Faults {
  #rules: { rule: FaultRule; left: number }[] = [];
  #state = 1;

  set(plan: FaultPlan): void {
    this.#state = plan.seed ?? 1;
    this.#rules = plan.rules.map((rule) => ({ rule, left: rule.times ?? Number.POSITIVE_INFINITY }));
  }

  /** What happens to this operation; undefined: nothing out of the ordinary. */
  next(operation: string): Effect | undefined {
    for (const each of this.#rules) {
      const { rule } = each;
      if (each.left <= 0 || (rule.operation !== "*" && rule.operation !== operation)) continue;
      if (this.#random() >= (rule.probability ?? 1)) continue;
      each.left--;
      return rule.effect;
    }
    return undefined;
  }

  /** mulberry32: small, and good enough to deal faults with. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
