import { decimalSum } from "./decimal-sum.ts";
import type { Cost } from "./words.ts";

/** Calls of one day, tenant, model, lab and currency. */
export interface UsageRow {
  /** `2026-11-24`, UTC. */
  readonly day: string;
  readonly tenant_id: string;
  readonly model: string;
  readonly provider: string | null;
  readonly simulated: boolean;
  readonly calls: number;
  readonly unknown_cost_calls: number;
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number };
  readonly cost: Cost | null;
}

/** What a budget holds in a day or a month. */
export interface BudgetPeriod {
  readonly period: string;
  readonly limit: string;
  readonly spent: string;
  readonly reserved: string;
  readonly remaining: string;
  readonly resets_at: number;
}

export interface Budget {
  readonly currency: string;
  readonly over: "wait" | "refuse";
  readonly day: BudgetPeriod | null;
  readonly month: BudgetPeriod | null;
}

export interface UsageAnswer {
  readonly from: string;
  readonly to: string;
  readonly data: readonly UsageRow[];
  readonly budget: Budget | null;
}

/** What rows are put together by. */
export const BYS = ["day", "model", "lab", "tenant"] as const;
export type By = (typeof BYS)[number];

const NAME_OF: Readonly<Record<By, (row: UsageRow) => string>> = {
  day: ({ day }) => day,
  model: ({ model }) => model,
  lab: ({ provider }) => provider ?? "none",
  tenant: ({ tenant_id }) => tenant_id,
};

/** All calls of a name together. */
export interface UsageSum {
  readonly name: string;
  readonly calls: number;
  readonly unknownCostCalls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** One for each currency. */
  readonly costs: readonly Cost[];
  readonly isSimulated: boolean;
}

export function sumOf(name: string, rows: readonly UsageRow[]): UsageSum {
  const costs = Map.groupBy(
    rows.flatMap(({ cost }) => (cost === null ? [] : [cost])),
    ({ currency }) => currency,
  );
  const total = (figure: (row: UsageRow) => number) => rows.reduce((sum, row) => sum + figure(row), 0);
  return {
    name,
    calls: total((row) => row.calls),
    unknownCostCalls: total((row) => row.unknown_cost_calls),
    inputTokens: total((row) => row.usage.input_tokens),
    outputTokens: total((row) => row.usage.output_tokens),
    costs: [...costs].map(([currency, each]) => ({
      ...{ currency, amount: decimalSum(each.map(({ amount }) => amount)) },
    })),
    isSimulated: rows.some(({ simulated }) => simulated),
  };
}

/** The sums of each name: days in their order, all else by what was used most. */
export function sumsBy(rows: readonly UsageRow[], by: By): readonly UsageSum[] {
  const sums = [...Map.groupBy(rows, NAME_OF[by])].map(([name, each]) => sumOf(name, each));
  if (by === "day") return sums.sort((a, b) => (a.name < b.name ? -1 : 1));
  const size = ({ costs, inputTokens, outputTokens }: UsageSum) =>
    [costs.reduce((sum, { amount }) => sum + Number(amount), 0), inputTokens + outputTokens] as const;
  return sums.sort((a, b) => size(b)[0] - size(a)[0] || size(b)[1] - size(a)[1]);
}

/** Those of one model and one lab; empty: of any. */
export function rowsOf(rows: readonly UsageRow[], model: string, provider: string): readonly UsageRow[] {
  return rows.filter(
    (row) => (model === "" || row.model === model) && (provider === "" || NAME_OF.lab(row) === provider),
  );
}

/** Each name that there is of something, in order. */
export function namesOf(rows: readonly UsageRow[], by: By): readonly string[] {
  return [...new Set(rows.map(NAME_OF[by]))].sort();
}

/** What is plotted: a cost's currency, tokens or calls. */
export type Measure = "tokens" | "calls" | { readonly currency: string };

export interface Plotted {
  /** The days, each as the Unix time at which it begins, UTC. */
  readonly days: readonly number[];
  /** A figure for each day. */
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
}

export const MAX_SERIES = 5;
const DAY_SECONDS = 86_400;

/**
 * Figures over the days of a span, without gaps. By day there is one series; by anything else each name has one, the
 * largest first, and those beyond `MAX_SERIES` share the last.
 */
export function plotted(
  { from, to }: Pick<UsageAnswer, "from" | "to">,
  rows: readonly UsageRow[],
  by: By,
  measure: Measure,
): Plotted {
  const first = startOf(from);
  const days = Array.from(
    { length: Math.max(0, Math.round((startOf(to) - first) / DAY_SECONDS)) + 1 },
    (_, at) => first + at * DAY_SECONDS,
  );
  const of = (name: string, each: readonly UsageRow[]) => {
    const values = days.map(() => 0);
    for (const row of each) {
      const at = Math.round((startOf(row.day) - first) / DAY_SECONDS);
      values[at] = (values[at] ?? 0) + figureOf(row, measure);
    }
    return { name, values };
  };
  if (by === "day") return { days, series: [of("all", rows)] };
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  const all = [...Map.groupBy(rows, NAME_OF[by])].sort(
    ([, a], [, b]) => total(of("", b).values) - total(of("", a).values),
  );
  const isTooMany = all.length > MAX_SERIES;
  const own = isTooMany ? all.slice(0, MAX_SERIES - 1) : all;
  const series = own.map(([name, each]) => of(name, each));
  if (!isTooMany) return { days, series };
  const others = all.slice(MAX_SERIES - 1).flatMap(([, each]) => each);
  return { days, series: [...series, of(`${all.length - own.length} others`, others)] };
}

const startOf = (day: string) => Date.parse(`${day}T00:00:00Z`) / 1000;

function figureOf({ calls, unknown_cost_calls, usage, cost }: UsageRow, measure: Measure): number {
  if (measure === "calls") return calls + unknown_cost_calls;
  if (measure === "tokens") return usage.input_tokens + usage.output_tokens;
  return cost?.currency === measure.currency ? Number(cost.amount) : 0;
}

/** An axis' figures at even steps, with as many decimals as tell them apart. */
export function ticksInWords(ticks: readonly number[]): string[] {
  const [first = 0, second = first + 1] = ticks;
  const MOST_DIGITS = 12;
  const isWhole = (value: number) => value > 0.5 && Math.abs(value - Math.round(value)) < 1e-3;
  let digits = 0;
  while (digits < MOST_DIGITS && !isWhole((second - first) * 10 ** digits)) digits++;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return ticks.map((tick) => tick.toLocaleString("en", options));
}

/** How much of a period's limit is spent or put aside, as shares of it; both together are 1 at most. */
export function shares({ limit, spent, reserved }: BudgetPeriod): {
  readonly spent: number;
  readonly reserved: number;
} {
  const whole = Number(limit);
  if (whole <= 0) return { spent: 1, reserved: 0 };
  const used = Math.min(1, Number(spent) / whole);
  return { spent: used, reserved: Math.min(1 - used, Number(reserved) / whole) };
}
