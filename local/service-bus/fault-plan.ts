/** Faults to order: plain data, so that a test, a file or an HTTP request can carry them. */
export const FAULT_OPERATIONS = [
  "send",
  "receive",
  "complete",
  "abandon",
  "defer",
  "deadLetter",
  "schedule",
  "cancel",
  "peek",
  "renew",
  "attach",
] as const;
export type FaultOperation = (typeof FAULT_OPERATIONS)[number];

export type FaultEffect =
  /** Answered with this error; nothing is done. A `receive` refused closes the link with it. */
  | { readonly kind: "refuse"; readonly condition: string; readonly description?: string }
  /** Done after so long. */
  | { readonly kind: "delay"; readonly ms: number }
  /** The connection breaks, before anything is done or after it is done and stored but not answered. */
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  /** The lock runs out at once: of the message delivered (receive), or of the one to be settled or renewed. */
  | { readonly kind: "expireLock" };

export interface FaultRule {
  readonly operation: FaultOperation | "any";
  /** Name of a queue; all of them unless said. */
  readonly queue?: string;
  /** Chance of each operation to be hit, 0 to 1 (1). */
  readonly probability?: number;
  /** So many operations that match pass first (0). */
  readonly skip?: number;
  /** At most so many are hit (no limit). */
  readonly count?: number;
  readonly effect: FaultEffect;
}

export interface FaultPlan {
  /** The same seed and the same operations give the same faults. */
  readonly seed: number;
  /** The first rule that hits is the one applied. */
  readonly rules: readonly FaultRule[];
}

export const NO_FAULTS: FaultPlan = { seed: 0, rules: [] };
/** A longer delay is a hang, which `drop` makes better. */
const MAX_DELAY_MS = 600_000;

/** A fault plan from JSON. Throws RangeError with every fault of it. */
export function parseFaultPlan(json: unknown): FaultPlan {
  const faults: string[] = [];
  const { seed = 0, rules, ...others } = isObject(json) ? json : {};
  faults.push(...Object.keys(others).map((key) => `"${key}" is not known`));
  if (typeof seed !== "number" || !Number.isInteger(seed)) faults.push("seed must be a whole number");
  if (!Array.isArray(rules)) faults.push("rules must be a list");
  else for (const [n, rule] of rules.entries()) checkRule(rule, `rules[${n}]`, faults);
  if (faults.length > 0) throw new RangeError(`The fault plan is not valid: ${faults.join("; ")}.`);
  return json as FaultPlan;
}

function checkRule(rule: unknown, where: string, faults: string[]): void {
  const {
    operation,
    queue,
    probability = 1,
    skip = 0,
    count = 0,
    effect,
    ...others
  } = isObject(rule) ? rule : {};
  const need = (holds: boolean, what: string) => {
    if (!holds) faults.push(`${where}.${what}`);
  };
  for (const key of Object.keys(others)) faults.push(`${where}: "${key}" is not known`);
  need([...FAULT_OPERATIONS, "any"].includes(String(operation)), `operation "${operation}" is not known`);
  need(queue === undefined || typeof queue === "string", "queue must be a name");
  need(typeof probability === "number" && probability >= 0 && probability <= 1, "probability must be 0 to 1");
  need(Number.isInteger(skip) && Number(skip) >= 0, "skip must be a whole number");
  need(Number.isInteger(count) && Number(count) >= 0, "count must be a whole number");
  const { kind, ms, when, condition } = isObject(effect) ? effect : {};
  if (kind === "delay")
    need(typeof ms === "number" && ms >= 0 && ms <= MAX_DELAY_MS, `effect.ms: 0 to ${MAX_DELAY_MS}`);
  else if (kind === "drop")
    need(when === "before" || when === "after", 'effect.when must be "before" or "after"');
  else if (kind === "refuse") need(typeof condition === "string", "effect.condition is missing");
  else need(kind === "expireLock", `effect.kind "${kind}" is not known`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
