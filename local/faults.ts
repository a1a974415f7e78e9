/**
 * Faults to order, as plain data, so that a test, a file or an HTTP request can carry them: what the plans of all
 * emulators have in common. Each emulator names its own operations and effects.
 */
export interface FaultRule {
  /** An operation's name, or `any`. */
  readonly operation: string;
  /** Chance of each operation to be hit, 0 to 1 (1). */
  readonly probability?: number;
  /** How many matching operations pass first (0). */
  readonly skip?: number;
  /** How many are hit at most (no limit). */
  readonly count?: number;
}

export interface FaultPlan<Rule extends FaultRule> {
  /** The same seed and the same operations give the same faults (0). */
  readonly seed?: number;
  /** The first rule that hits is the one applied. */
  readonly rules: readonly Rule[];
}

/** A longer delay is a hang, which a broken connection makes better. */
const MAX_DELAY_MS = 600_000;

/** Deals the faults of a plan, one operation after the other. */
export class FaultDealer<Rule extends FaultRule> {
  #rules: { readonly rule: Rule; seen: number; hits: number }[] = [];
  #random: () => number = () => 1;
  /** How many operations were hit so far. */
  injected = 0;

  /** False while there is nothing to look at: the usual path asks this alone. */
  get active(): boolean {
    return this.#rules.length > 0;
  }

  set(plan: FaultPlan<Rule>): void {
    this.#rules = plan.rules.map((rule) => ({ rule, seen: 0, hits: 0 }));
    this.#random = seeded(plan.seed ?? 0);
  }

  /** The rule that hits this operation; `applies` says what else a rule asks for. */
  next(operation: string, applies: (rule: Rule) => boolean): Rule | undefined {
    for (const active of this.#rules) {
      const { rule } = active;
      if (rule.operation !== "any" && rule.operation !== operation) continue;
      if (!applies(rule)) continue;
      if (active.seen++ < (rule.skip ?? 0)) continue;
      if (active.hits >= (rule.count ?? Number.POSITIVE_INFINITY)) continue;
      if (this.#random() >= (rule.probability ?? 1)) continue;
      active.hits++;
      this.injected++;
      return rule;
    }
    return undefined;
  }
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Says of one part of a plan whether it holds; what does not is named. */
export type Need = (holds: boolean, what: string) => void;

export interface PlanForm {
  readonly operations: readonly string[];
  /** The property by which a rule may name where it applies: `queue`, `container`. */
  readonly place: string;
  readonly checkEffect: (effect: Record<string, unknown>, operation: string, need: Need) => void;
}

/** A fault plan from JSON. @throws RangeError naming every fault of it */
export function checkedPlan(json: unknown, form: PlanForm): unknown {
  const faults: string[] = [];
  const { seed = 0, rules, ...others } = isObject(json) ? json : {};
  faults.push(...Object.keys(others).map((key) => `"${key}" is not known`));
  if (typeof seed !== "number" || !Number.isInteger(seed)) faults.push("seed must be a whole number");
  if (!Array.isArray(rules)) faults.push("rules must be a list");
  else for (const [n, rule] of rules.entries()) checkRule(rule, `rules[${n}]`, form, faults);
  if (faults.length > 0) throw new RangeError(`The fault plan is not valid: ${faults.join("; ")}.`);
  return json;
}

function checkRule(rule: unknown, where: string, form: PlanForm, faults: string[]): void {
  const { operation, probability = 1, skip = 0, count = 0, effect, ...others } = isObject(rule) ? rule : {};
  const { [form.place]: place, ...unknown } = others;
  const need: Need = (holds, what) => {
    if (!holds) faults.push(`${where}.${what}`);
  };
  for (const key of Object.keys(unknown)) faults.push(`${where}: "${key}" is not known`);
  need([...form.operations, "any"].includes(String(operation)), `operation "${operation}" is not known`);
  need(place === undefined || typeof place === "string", `${form.place} must be a name`);
  need(typeof probability === "number" && probability >= 0 && probability <= 1, "probability must be 0 to 1");
  need(isCount(skip), "skip must be a whole number");
  need(isCount(count), "count must be a whole number");
  form.checkEffect(isObject(effect) ? effect : {}, String(operation), need);
}

export const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;

export function checkDelay(ms: unknown, need: Need): void {
  need(typeof ms === "number" && ms >= 0 && ms <= MAX_DELAY_MS, `effect.ms: 0 to ${MAX_DELAY_MS}`);
}

export function checkWhen(when: unknown, need: Need): void {
  need(when === "before" || when === "after", 'effect.when must be "before" or "after"');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
