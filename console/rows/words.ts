/** How figures are written. Times are Unix seconds, as the API has them. */

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** `3 s`, `4 min`, `2 h 5 min`, `3 d 2 h`: the two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, seconds);
  if (whole < 1 && whole > 0) return `${Math.ceil(whole * 1000)} ms`;
  if (whole < 10 && !Number.isInteger(whole)) return `${whole.toFixed(1)} s`;
  const s = Math.round(whole);
  if (s < MINUTE) return `${s} s`;
  if (s < HOUR) return pair(Math.floor(s / MINUTE), "min", s % MINUTE, "s");
  if (s < DAY) return pair(Math.floor(s / HOUR), "h", Math.floor((s % HOUR) / MINUTE), "min");
  return pair(Math.floor(s / DAY), "d", Math.floor((s % DAY) / HOUR), "h");
}

function pair(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`;
}

/** `12 s ago`, `in 3 min`. */
export function ago(at: number, nowSeconds: number): string {
  const since = Math.round(nowSeconds - at);
  if (since === 0) return "now";
  return since > 0 ? `${duration(since)} ago` : `in ${duration(-since)}`;
}

/** ISO, UTC, to the second: the same for whoever reads it. */
export function utc(at: number): string {
  return `${new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export interface Cost {
  readonly amount: string;
  readonly currency: string;
}

/** A cost is known or not known, never a guess. */
export function money(cost: Cost | null | undefined, unknown?: string | null): string {
  if (!cost) return unknown ? "not known" : "–";
  return `${shortDecimal(cost.amount)} ${cost.currency}${unknown ? " or more" : ""}`;
}

/** Four digits that count: `0.0001234`, `12.35`, `1,204.50`. */
export function shortDecimal(amount: string): string {
  const value = Number(amount);
  if (!Number.isFinite(value)) return amount;
  if (value === 0) return "0";
  if (Math.abs(value) >= 1)
    return value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const digits = Math.min(12, 3 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(digits).replace(/0+$/, "");
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} KB`;
  return `${(value / 1e6).toFixed(1)} MB`;
}
