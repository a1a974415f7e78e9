/** A decimal number's digits without zeros at either end, and the power of ten of the last of them. */
interface Decimal {
  readonly digits: string;
  readonly power: number;
}

/** Digits that every JavaScript number keeps. */
const ALWAYS_KEPT = 15;

/**
 * A number as it was written, in one form for all ways of writing it; undefined: reading it loses nothing.
 * `9007199254740993` is `9007199254740993e0`, though it is read as 9007199254740992.
 * @param text a JSON number
 */
export function lostNumber(text: string): string | undefined {
  const written = decimalOf(text);
  if (written.digits.length <= ALWAYS_KEPT) return undefined;
  const read = decimalOf(String(Number(text)));
  if (read.digits === written.digits && read.power === written.power) return undefined;
  return `${text.startsWith("-") ? "-" : ""}${written.digits}e${written.power}`;
}

function decimalOf(text: string): Decimal {
  const [, whole = "", fraction = "", exponent = "0"] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const all = (whole + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  return { digits, power: Number(exponent) - fraction.length + all.length - digits.length };
}
