/** By the beginning of the unit's name; the first that fits counts. */
const UNIT_MS: readonly (readonly [unit: string, ms: number])[] = [
  ...([
    ["us", 0.001],
    ["µs", 0.001],
    ["ms", 1],
    ["milli", 1],
  ] as const),
  ...([
    ["s", 1_000],
    ["m", 60_000],
    ["h", 3_600_000],
    ["d", 86_400_000],
  ] as const),
];
const PART =
  "\\d+(?:\\.\\d+)?\\s*(?:[uµm]s|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)(?![a-z])";
/** `1m30s`, `200ms`, `0.5 s`, `1 minute and 30 seconds`. */
export const DURATION = `${PART}(?:(?:\\s*,)?(?:\\s+and)?\\s*${PART})*`;
const WHOLE = new RegExp(`^\\s*${DURATION}\\s*$`, "i");

/** Some write it as a JSON text, or twice with a comma between. */
export function numberOf(text: string | null): number | null {
  const number = /^\s*"?(-?\d+(?:\.\d+)?)"?\s*(?:,\s*-?\d+(?:\.\d+)?\s*)?$/.exec(text ?? "")?.[1];
  return number === undefined ? null : Number(number);
}

/** A duration in ms; null: none of that form. */
export function unitsMs(text: string): number | null {
  if (!WHOLE.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit = ""] of text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)\s*([a-zµ]+)/g))
    sum += Number(amount) * (UNIT_MS.find(([name]) => unit.startsWith(name))?.[1] ?? 0);
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
