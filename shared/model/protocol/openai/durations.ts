const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

export function numberOf(text: string | null): number | null {
  return text !== null && /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;
}

/** `1m30s`, `200ms`, `0.5s`; null: none of that form. */
export function unitsMs(text: string): number | null {
  if (!/^\s*(\d+(\.\d+)?\s*(ms|[dhms])\s*)+$/.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[dhms])/g))
    sum += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  return sum;
}

/** Seconds, a time of day of some kind, or a duration with units, from now; null: none of these. Never below 0. */
export function untilMs(text: string | null, nowMs: number): number | null {
  if (text === null) return null;
  const number = numberOf(text);
  if (number !== null) return Math.max(0, fromNumberMs(number, nowMs));
  const duration = unitsMs(text);
  if (duration !== null) return duration;
  // Date.parse takes more for a date than HTTP does, "-3" for one.
  const date = /[a-z]{3}|\dT\d/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

/** No lab asks for a wait of thirty years: such a number is a Unix time, in seconds or ms. */
const UNIX_SECONDS_FROM = 1e9;
const UNIX_MS_FROM = 1e12;

function fromNumberMs(number: number, nowMs: number): number {
  if (number >= UNIX_MS_FROM) return number - nowMs;
  return number >= UNIX_SECONDS_FROM ? number * 1000 - nowMs : number * 1000;
}
