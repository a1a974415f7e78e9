import { addCosts, type Cost } from "../model/cost.ts";
import type { Usage } from "../model/usage.ts";

/** What one audit record says a call used: each attempt that reported usage or has a cost is one, late ones as well. */
export interface BilledCall {
  readonly tenant_id: string;
  /** The model the job asked for. */
  readonly model: string;
  readonly provider: string | null;
  readonly simulated: boolean | null;
  /** When it was recorded, Unix seconds. */
  readonly at: number;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
}

/** The calls of one day (UTC) that are alike, together. */
export interface UsageRow {
  /** `2026-11-24` */
  readonly day: string;
  readonly tenant_id: string;
  readonly model: string;
  readonly provider: string | null;
  readonly simulated: boolean;
  readonly calls: number;
  readonly usage: Usage;
  /** Exact; null where no call has one. */
  readonly cost: Cost | null;
}

const NO_USAGE: Usage = { input_tokens: 0, output_tokens: 0, total_tokens: 0 };

/** Adds up calls as they come, in any order; the sums are exact. */
export class UsageReport {
  readonly #rows = new Map<string, UsageRow>();

  add(call: BilledCall): void {
    const day = dayOf(call.at);
    const simulated = call.simulated ?? false;
    const currency = call.cost?.currency ?? null;
    const key = JSON.stringify([day, call.tenant_id, call.model, call.provider, simulated, currency]);
    const { tenant_id, model, provider } = call;
    const row = this.#rows.get(key) ?? {
      ...{ day, tenant_id, model, provider, simulated },
      ...{ calls: 0, usage: NO_USAGE, cost: null },
    };
    this.#rows.set(key, {
      ...row,
      calls: row.calls + 1,
      usage: addUsage(row.usage, call.usage ?? NO_USAGE),
      cost: addCosts(row.cost, call.cost),
    });
  }

  /** How many rows there are by now. */
  get size(): number {
    return this.#rows.size;
  }

  /** By day, then by name. */
  rows(): UsageRow[] {
    return [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }
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

export function totalUsage(rows: readonly UsageRow[]): Usage {
  return rows.reduce((sum, row) => addUsage(sum, row.usage), NO_USAGE);
}

function addUsage(a: Usage, b: Usage): Usage {
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
  };
}

/** The UTC day of a time in Unix seconds. */
export function dayOf(atSeconds: number): string {
  return new Date(atSeconds * 1000).toISOString().slice(0, 10);
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
