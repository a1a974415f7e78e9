import { wholeIn } from "../bounds.ts";
import { dayOf } from "../day.ts";
import { addCosts, type Cost } from "../model/cost.ts";
import { TOKEN_PARTS, type TokenPart, type Usage } from "../model/usage.ts";

/**
 * What one audit record says a call used: each attempt that reported usage or has a cost is one, late ones as well, and
 * each of which that is not known.
 */
export interface BilledCall {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly attempt: number | null;
  /** The call's own answer, after its attempt was given up: what was not known of it is. */
  readonly late: boolean;
  /** The model the job asked for. */
  readonly model: string;
  readonly provider: string | null;
  readonly simulated: boolean | null;
  /** When it was recorded, Unix seconds. */
  readonly at: number;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
}

/** Exact: beyond 2^53 a bigint. */
type Sum = number | bigint;

/** Tokens of several calls together; unknown ones add nothing. */
export type TokenSums = {
  readonly [name in "input_tokens" | "output_tokens" | "total_tokens"]: Sum;
} & { readonly [part in TokenPart]?: Sum };

/** The calls of one day (UTC) that are alike, together. */
export interface UsageRow {
  /** `2026-11-24` */
  readonly day: string;
  readonly tenant_id: string;
  readonly model: string;
  readonly provider: string | null;
  readonly simulated: boolean;
  /** Those that reported usage. */
  readonly calls: number;
  /** Calls that the lab may have billed at an unknown cost: lost, aborted, answered without a count. */
  readonly unknown_cost_calls: number;
  readonly usage: TokenSums;
  /** Exact; null where no call has one. */
  readonly cost: Cost | null;
}

const NO_USAGE: TokenSums = { input_tokens: 0, output_tokens: 0, total_tokens: 0 };

type Alike = Pick<UsageRow, "day" | "tenant_id" | "model" | "provider" | "simulated">;

/** Adds up calls as they come, in any order; the sums are exact. */
export class UsageReport {
  readonly #rows = new Map<string, UsageRow>();
  /** Calls of unknown cost, by job and attempt: a lost one whose answer comes late has two records. */
  readonly #unknown = new Map<string, Alike>();
  readonly #knownLate = new Set<string>();

  add(call: BilledCall): void {
    const { tenant_id, model, provider, usage, cost } = call;
    const alike = {
      day: dayOf(call.at * 1000),
      tenant_id,
      model,
      provider,
      simulated: call.simulated ?? false,
    };
    const name = `${call.job_id}/${call.attempt}`;
    if (cost === null) {
      if (!this.#knownLate.has(name)) this.#unknown.set(name, alike);
      if (usage === null) return;
    } else if (call.late) {
      this.#knownLate.add(name);
      this.#unknown.delete(name);
    }
    const key = keyOf(alike, cost?.currency ?? null);
    const row = this.#rows.get(key) ?? emptyRow(alike);
    this.#rows.set(key, {
      ...row,
      calls: row.calls + 1,
      usage: addUsage(row.usage, usage),
      cost: addCosts(row.cost, cost),
    });
  }

  /** How many rows there are by now. */
  get size(): number {
    return this.#rows.size;
  }

  /** By day, then by name. Calls of unknown cost stand with those they are like, else in a row of their own. */
  rows(): UsageRow[] {
    const rows = new Map(this.#rows);
    const firstAlike = new Map<string, string>();
    for (const [key, row] of rows) if (!firstAlike.has(keyOf(row))) firstAlike.set(keyOf(row), key);
    for (const alike of this.#unknown.values()) {
      const key = firstAlike.get(keyOf(alike)) ?? keyOf(alike, null);
      const row = rows.get(key) ?? emptyRow(alike);
      rows.set(key, { ...row, unknown_cost_calls: row.unknown_cost_calls + 1 });
    }
    return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }
}

function keyOf({ day, tenant_id, model, provider, simulated }: Alike, ...more: (string | null)[]): string {
  return JSON.stringify([day, tenant_id, model, provider, simulated, ...more]);
}

function emptyRow({ day, tenant_id, model, provider, simulated }: Alike): UsageRow {
  return {
    ...{ day, tenant_id, model, provider, simulated },
    ...{ calls: 0, unknown_cost_calls: 0, usage: NO_USAGE, cost: null },
  };
}

/** The sum of rows, by currency: amounts of different currencies have none. */
export function totalCosts(rows: readonly UsageRow[]): Cost[] {
  const totals = new Map<string, Cost>();
  for (const { cost } of rows) {
    if (cost === null) continue;
    totals.set(cost.currency, addCosts(totals.get(cost.currency) ?? null, cost) ?? cost);
  }
  return [...totals.values()];
}

export function totalUsage(rows: readonly UsageRow[]): TokenSums {
  return rows.reduce((sum, row) => addUsage(sum, row.usage), NO_USAGE);
}

/** What is not known of a call adds nothing; a part that no call told stays absent. */
function addUsage(sum: TokenSums, usage: Usage | TokenSums | null): TokenSums {
  if (usage === null) return sum;
  const sums: { -readonly [name in keyof TokenSums]: TokenSums[name] } = {
    input_tokens: plus(sum.input_tokens, usage.input_tokens),
    output_tokens: plus(sum.output_tokens, usage.output_tokens),
    total_tokens: plus(sum.total_tokens, usage.total_tokens),
  };
  for (const part of TOKEN_PARTS) {
    const [before, more] = [sum[part], usage[part]];
    if (before !== undefined || more !== undefined) sums[part] = plus(before ?? 0, more);
  }
  return sums;
}

/** What no call can have used, which an older version may have stored, is not added. */
function plus(sum: Sum, count: Sum | null | undefined): Sum {
  const added = typeof count === "number" ? wholeIn(count, 0, Number.MAX_SAFE_INTEGER) : count;
  if (added == null) return sum;
  if (typeof sum === "number" && typeof added === "number" && Number.isSafeInteger(sum + added))
    return sum + added;
  return BigInt(sum) + BigInt(added);
}

/** The calls recorded in a span of time, page by page. */
export interface BilledCalls {
  /**
   * @param span.fromSeconds inclusive, @param span.untilSeconds exclusive; without a tenant, of all tenants
   * @throws StoreUnavailable
   */
  pages(span: {
    readonly tenantId: string | undefined;
    readonly fromSeconds: number;
    readonly untilSeconds: number;
  }): AsyncIterable<readonly BilledCall[]>;
}
