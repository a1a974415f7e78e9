import {
  checkDelay,
  checkedPlan,
  checkWhen,
  type FaultRule,
  isCount,
  type Need,
  type FaultPlan as Plan,
} from "../faults.ts";

/** What a plan may name: an operation as the counters do, those on databases and containers by their path. */
export const FAULT_OPERATIONS = [
  "create",
  "read",
  "upsert",
  "replace",
  "patch",
  "delete",
  "batch",
  "read_batch",
  "bulk",
  "query",
  "changes",
  "account",
  "databases",
  "database",
  "containers",
  "container",
  "ranges",
  "purge",
  "offers",
] as const;
export type FaultOperation = (typeof FAULT_OPERATIONS)[number];

export type FaultEffect =
  /** Answered with this status; nothing is applied. */
  | {
      readonly kind: "refuse";
      readonly status: number;
      readonly substatus?: number;
      readonly retry_after_ms?: number;
    }
  /** Applied so long later (`before`, the usual), or applied at once and answered so long later (`after`). */
  | { readonly kind: "delay"; readonly ms: number; readonly when?: "before" | "after" }
  /** Applied (`before`, the usual), or answered (`after`), once another plan takes this one's place. */
  | { readonly kind: "hold"; readonly when?: "before" | "after" }
  /** The connection breaks, before anything is applied or after it is applied and stored but not answered. */
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  /**
   * A read answers what the container held before its latest writes: at most so many of them, and none older than
   * so many ms, each without a bound unless said, as old as both allow. Never older than the session token the request sends:
   * this is what a lagging replica gives under Session consistency. Goes back to when the plan was set.
   */
  | { readonly kind: "stale"; readonly writes?: number; readonly ms?: number };

export interface CosmosFaultRule extends FaultRule {
  readonly operation: FaultOperation | "any";
  /** Name of a container; all of them unless said. */
  readonly container?: string;
  readonly effect: FaultEffect;
}

export type CosmosFaultPlan = Plan<CosmosFaultRule>;

export const NO_FAULTS: CosmosFaultPlan = { rules: [] };

/** The operations that read, and nothing else. */
export const READS: ReadonlySet<string> = new Set(["read", "read_batch", "query", "changes"]);
const STATUSES = [401, 403, 404, 408, 409, 410, 412, 413, 429, 449, 500, 502, 503, 504];

/** A fault plan from JSON. @throws RangeError naming every fault of it */
export function parseFaultPlan(json: unknown): CosmosFaultPlan {
  const form = { operations: FAULT_OPERATIONS, place: "container", checkEffect };
  return checkedPlan(json, form) as CosmosFaultPlan;
}

function checkEffect(effect: Record<string, unknown>, operation: string, need: Need): void {
  const { kind, status, substatus = 0, retry_after_ms = 0, ms, when, writes, ...others } = effect;
  for (const key of Object.keys(others)) need(false, `effect."${key}" is not known`);
  switch (kind) {
    case "refuse":
      need(STATUSES.includes(Number(status)), `effect.status must be one of ${STATUSES.join(", ")}`);
      need(isCount(substatus), "effect.substatus must be a whole number");
      need(isCount(retry_after_ms), "effect.retry_after_ms must be a whole number");
      return;
    case "delay":
      checkDelay(ms, need);
      if (when !== undefined) checkWhen(when, need);
      return;
    case "hold":
      if (when !== undefined) checkWhen(when, need);
      return;
    case "drop":
      checkWhen(when, need);
      return;
    case "stale":
      need(writes === undefined || isCount(writes), "effect.writes must be a whole number");
      need(ms === undefined || isCount(ms), "effect.ms must be a whole number");
      need(
        operation === "any" || READS.has(operation),
        `effect "stale" is for ${[...READS].join(", ")} and any`,
      );
      return;
    default:
      need(false, `effect.kind "${kind}" is not known`);
  }
}
